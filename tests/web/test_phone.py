"""Who one is, by a code to the telephone: with the line, without it, and never twice too often."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from playwright.async_api import expect

from edge.errors import SyncError
from edge.records import ConsentKind
from edge.visiting import SignKind
from kiosk import phone
from kiosk.state import Page
from kiosk.tries import (
    CHECKS_PER_CODE_MAX,
    SENDS_PER_NUMBER_MAX,
    SENDS_PER_SCREEN_MAX,
    SENDS_WITHIN_S,
    Tries,
)
from sync.spoken import Request, Response
from tests.web.face_pages import RU, screen
from tests.web.shop import ANNA, BORIS_CARD, CARD, SNEAKER, Shop
from tests.web.test_browser import LANDSCAPE, PORTRAIT, keep_picture, watched

NUMBER = "9161234567"
WITH_PHONE = replace(ANNA, logins=(f"+7{NUMBER}",))


class Platform:
    """The other end of the line: sends codes (a number's last four digits) and checks them."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.asked: list[dict[str, str]] = []
        self.waits = asyncio.Event()
        self.waits.set()
        self._answers: set[asyncio.Task[None]] = set()
        shop.calls.attach(self.publish)

    async def publish(self, topic: str, payload: bytes) -> None:
        assert topic.endswith("/rq/phone.verify")
        request = msgspec.json.decode(payload, type=Request)
        self.asked.append(request.args)
        answer = asyncio.create_task(self._answer(request))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)

    async def _answer(self, request: Request) -> None:
        await self.waits.wait()
        code, number = request.args.get("code"), request.args["phone"]
        ok = code in (None, number[-4:]) and not number.endswith("0")
        value = {"sent": True} if code is None else {"verified": True}
        said = Response(1, request.id, ok, value if ok else {}, "" if ok else "No.")
        await self.shop.calls.receive(self.shop.clock.now().boot, msgspec.json.encode(said))


@pytest.fixture
async def web(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=shop.url) as client:
        yield client


async def send(web: httpx.AsyncClient, number: str = NUMBER) -> str:
    await web.post("/kiosk/main/phone/open")
    answer = await web.post("/kiosk/main/phone/send", data={"number": number})
    assert number not in str(answer.headers)
    return await screen(web)


async def check(web: httpx.AsyncClient, code: str) -> str:
    await web.post("/kiosk/main/phone/check", data={"code": code})
    return await screen(web)


async def test_a_code_by_telephone_greets_its_member_and_proves_the_visit(shop, web):
    await shop.join(WITH_PHONE, ConsentKind.WIFI)
    line = Platform(shop)
    html = await send(web)
    assert RU.text("Type the code") in html
    assert "67" in html
    assert NUMBER not in html, "the number is not shown again"
    assert RU.text(phone.WRONG_CODE) in await check(web, "1111")
    html = await check(web, "4567")
    assert "Анна" in html
    assert RU.text("Nice to see you! Member prices are on.") in html
    assert line.asked == [
        {"phone": f"+7{NUMBER}"},
        {"phone": f"+7{NUMBER}", "code": "1111"},
        {"phone": f"+7{NUMBER}", "code": "4567"},
    ]
    state = shop.screens.state("main")
    assert (state.phone, state.card, state.page) == ("", False, Page.ATTRACT)
    [visit] = [each for each in shop.presence.here() if each.member == ANNA.id]
    assert any(reason.startswith(SignKind.CODE.value) for reason in visit.reasons)


@pytest.mark.parametrize("also", [(), (ConsentKind.MARKETING,)])
async def test_who_did_not_agree_to_the_wifi_is_not_found_by_the_number(shop, web, also):
    await shop.join(WITH_PHONE, *also)
    Platform(shop)
    await send(web)
    assert RU.text(phone.NOT_FOUND) in await check(web, "4567")
    assert shop.screens.state("main").member == ""
    assert shop.presence.here() == []


async def test_without_the_line_it_says_so_at_once(shop, web):
    await shop.join(WITH_PHONE, ConsentKind.WIFI)
    assert RU.text(phone.NO_LINE) in await send(web)

    async def broken(topic: str, payload: bytes) -> None:
        raise SyncError("The line is broken.")

    shop.calls.attach(broken)
    assert RU.text(phone.NO_LINE) in await send(web)
    await shop.scan(CARD)
    assert "Анна" in await screen(web), "the card works all the same"


@pytest.mark.parametrize("number", ["12", "abc", "1" * 20, "12345678²0"])
async def test_what_is_no_number_is_not_asked(shop, web, number):
    line = Platform(shop)
    assert RU.text(phone.NO_NUMBER) in await send(web, number)
    assert line.asked == []


async def test_the_platform_may_refuse_a_number(shop, web):
    Platform(shop)
    assert RU.text(phone.NOT_SENT) in await send(web, "9161234560")


async def test_codes_are_not_sent_or_tried_without_end(shop, web):
    line = Platform(shop)
    for _ in range(SENDS_PER_NUMBER_MAX):
        await send(web)
    assert RU.text(phone.TOO_OFTEN) in await send(web)
    assert len(line.asked) == SENDS_PER_NUMBER_MAX
    await send(web, "9161234599")
    for _ in range(CHECKS_PER_CODE_MAX):
        assert RU.text(phone.WRONG_CODE) in await check(web, "0000")
    assert RU.text(phone.TOO_MANY_WRONG) in await check(web, "4599")
    assert shop.screens.state("main").member == ""


async def test_an_answer_that_comes_after_the_shopper_left_reaches_nobody(shop, web):
    await shop.join(WITH_PHONE, ConsentKind.WIFI)
    line = Platform(shop)
    await send(web)
    line.waits.clear()
    checking = asyncio.create_task(check(web, "4567"))
    async with asyncio.timeout(10):
        while len(line.asked) < 2:
            await asyncio.sleep(0)
    await shop.screens.finish("main")
    line.waits.set()
    assert "Анна" not in await checking
    assert shop.screens.state("main").phone == ""


async def test_a_card_replaces_whoever_dials(shop, web):
    await shop.join(replace(ANNA, id="m2", card=BORIS_CARD, name="Борис"))
    Platform(shop)
    await shop.scan(SNEAKER)
    await send(web)
    await shop.scan(BORIS_CARD)
    state = shop.screens.state("main")
    assert (state.member, state.phone, state.page) == ("m2", "", Page.PRODUCT)


async def test_by_telephone_with_the_keypad_alone_and_with_the_keyboard_alone(shop, browser):
    await shop.join(WITH_PHONE, ConsentKind.WIFI)
    Platform(shop)
    for viewport in (PORTRAIT, LANDSCAPE):
        page = (await watched(browser, viewport)).page
        await page.goto(shop.url)
        await page.locator("#by-phone").click()
        await expect(page.locator("#number")).to_be_focused()
        for digit in NUMBER + "3":
            await page.locator(f"#key-{digit}").click()
        await page.locator("#key-last").click()
        await expect(page.locator("#number")).to_have_value(NUMBER)
        shop.screens.bell("main").ring()
        await keep_picture(page, f"phone-{viewport['width']}")
        await expect(page.locator("#number")).to_have_value(NUMBER)
        await page.locator("#send").click()
        await expect(page.locator("#code")).to_be_focused()
        await keep_picture(page, f"code-{viewport['width']}")
        await page.keyboard.type("4567")
        await page.keyboard.press("Enter")
        await expect(page.locator("#hello")).to_contain_text("Анна")
        assert page.url == f"{shop.url}/kiosk/main"
        await shop.screens.finish("main")
        await page.context.close()


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5), st.integers(0, 600)), max_size=60)
)
def test_no_number_and_no_screen_gets_more_codes_in_an_hour_than_allowed(asked):
    tries, now_ms, sent = Tries(), 0, []
    for at, number, later_s in asked:
        now_ms += later_s * 1000
        if tries.may_send(at, str(number), now_ms):
            sent.append((at, number, now_ms))
    for index, most in ((0, SENDS_PER_SCREEN_MAX), (1, SENDS_PER_NUMBER_MAX)):
        for each in sent:
            within = [
                other
                for other in sent
                if other[index] == each[index] and 0 <= other[2] - each[2] < SENDS_WITHIN_S * 1000
            ]
            assert len(within) <= most


def test_a_code_is_tried_only_for_the_number_it_was_sent_to():
    tries = Tries()
    assert not tries.may_check("a", "1")
    assert tries.may_send("a", "1", 0)
    assert not tries.may_check("a", "2")
    assert not tries.may_check("b", "1")
    assert [tries.may_check("a", "1") for _ in range(CHECKS_PER_CODE_MAX + 1)] == [
        *[True] * CHECKS_PER_CODE_MAX,
        False,
    ]
