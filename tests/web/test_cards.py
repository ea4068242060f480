"""The visit card of staff, what they correct on it, and what a greeted member finds at a kiosk."""

import re
from collections.abc import AsyncIterator
from html import unescape

import httpx
import msgspec
import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, Page, expect

from edge.documents import Cart, Collect, OrderLine, Purchase, Wish
from edge.records import Member, Observation, Stream, TrackReading
from edge.visiting import VisitState
from kiosk import continuing, staff_visits
from kiosk.cards import KEPT_S
from kiosk.staff import UNDO_S
from tests import faces
from tests.beyond import platform_says
from tests.web.face_pages import RU, screen, sign_in, told
from tests.web.shop import ANNA, BORIS, BORIS_CARD, CARD, PIN, SNEAKER, SOLD_OUT, START_MS, Shop
from tests.web.test_browser import LANDSCAPE, PORTRAIT, TARGET_PX_MIN, boxes, keep_picture, watched

TABLET = {"width": 820, "height": 1180}
DAY_MS = 24 * 3_600_000
CODE = "481-516"
CART = Cart(
    ANNA.id,
    (OrderLine("WIND3-BLUE-42", 1, 1299000), OrderLine("SOCKS-3", 2), OrderLine("GONE-1", 1, 100)),
    START_MS - 3 * 3_600_000,
)
WISHES = (
    Wish(ANNA.id, "WIND3-RED-41", START_MS - DAY_MS),
    Wish(ANNA.id, "WIND3-BLUE-44", START_MS - 2 * DAY_MS),
    Wish(ANNA.id, "SOCKS-3", START_MS - 3 * DAY_MS),
)
ORDER = Collect(
    "12-000345",
    CODE,
    (OrderLine("SOCKS-3", 3),),
    ANNA.id,
    paid=True,
    until_ms=START_MS + 5 * DAY_MS,
)
BOUGHT = tuple(
    Purchase(ANNA.id, f"r-{day}", sku, 1 + day % 2, START_MS - day * DAY_MS)
    for day, sku in ((9, "WIND3-BLUE-42"), (40, "SOCKS-3"), (200, "OLD-77"))
)


@pytest.fixture
async def web(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=shop.url) as client:
        yield client


async def staff(web: httpx.AsyncClient) -> str:
    return unescape((await web.get("/staff")).text)


async def suggest(shop: Shop) -> str:
    """Somebody comes in who may be Anna, by two frames of a face; the visit's id."""
    await shop.enrol()
    now = shop.clock.now()
    readings = [TrackReading(1), *(faces.reading(1, 0.1, frame) for frame in (1, 2))]
    await shop.presence.observe([Observation("door", now, each) for each in readings])
    [visit] = shop.presence.here()
    assert (visit.state, visit.member) == (VisitState.SUGGESTED, ANNA.id)
    return visit.id


def visit_of(shop: Shop, member: Member) -> str:
    [visit] = [each for each in shop.presence.here() if each.member == member.id]
    return visit.id


async def say(
    web: httpx.AsyncClient, visit: str, answer: str, by: str = "Ольга 12", member: str = ANNA.id
) -> None:
    data = {"visit": visit, "member": member, "answer": answer, "by": by}
    answered = await web.post("/staff/visits/say", data={k: v for k, v in data.items() if v})
    assert answered.headers["location"] == "/staff"


async def test_the_card_tells_what_waits_for_a_member_and_the_rest_unfolds(shop, web):
    await shop.join()
    await platform_says(shop.database, CART, *WISHES, ORDER, *BOUGHT)
    await shop.scan(CARD)
    await sign_in(web)
    html = await staff(web)
    card = html[html.index(f'data-member="{ANNA.id}"') :]
    brief, _, details = card.partition("<details")
    for text in ("Петрова Анна Сергеевна", "Gold", "Running", "12-000345",
                 "4 товара, 12 171 ₽", "Из избранного здесь есть 1 товар"):  # fmt: skip
        assert text in brief.replace("\xa0", " "), text
    for text in ("Кроссовки беговые «Ветер 3», красный, 41", "OLD-77", "3 часа назад", "оплачен",
                 "23 июл. 2026 г.", "Карта отсканирована"):  # fmt: skip
        assert text in details.replace("\xa0", " ").replace("\u202f", " "), text
    assert CODE not in html, "the shopper shows the code, staff do not read it off"


async def test_a_card_is_as_new_as_the_platforms_word_and_gone_with_the_member(shop, web):
    await shop.join()
    await shop.scan(CARD)
    await sign_in(web)
    assert "web-cart" not in await staff(web)
    await platform_says(shop.database, CART)
    shop.pass_time(KEPT_S + 1)
    assert "web-cart" in await staff(web)
    await platform_says(shop.database, replace(CART, lines=()))
    shop.screens.beyond_changed()
    assert "web-cart" not in await staff(web)
    await shop.withdraw(ANNA)
    assert ANNA.name not in await staff(web)
    assert shop.presence.member(ANNA.id) is None


async def test_staff_say_that_it_is_not_them_and_may_undo_it(shop, web):
    await shop.join()
    await shop.scan(CARD)
    visit = visit_of(shop, ANNA)
    await sign_in(web)
    await say(web, visit, "no", by="")
    assert RU.text(staff_visits.NAME_FIRST) in await staff(web)
    await say(web, visit, "no")
    html = await staff(web)
    assert f'data-member="{ANNA.id}"' not in html
    assert RU.text("Said: it is not %(name)s.") % {"name": ANNA.name} in html
    await web.post("/staff/visits/undo")
    html = await staff(web)
    assert f'data-member="{ANNA.id}"' in html
    assert 'id="undo"' not in html
    await say(web, visit_of(shop, ANNA), "no", by="")
    assert 'id="undo"' in await staff(web), "who says it is asked once a shift"
    shop.pass_time(UNDO_S + 1)
    assert 'id="undo"' not in await staff(web)
    await web.post("/staff/visits/undo")
    assert RU.text(staff_visits.TOO_LATE) in await staff(web)


@pytest.mark.parametrize(("answer", "shown"), [("yes", ["sure"]), ("no", [])])
async def test_a_suggestion_is_confirmed_or_put_away(shop, web, answer, shown):
    visit = await suggest(shop)
    await sign_in(web)
    assert re.findall(r'class="card (\w+)"', await staff(web)) == ["perhaps"]
    await say(web, visit, answer)
    html = await staff(web)
    assert re.findall(r'class="card (\w+)"', html) == shown
    assert ANNA.name in html, "in what can be undone"
    await web.post("/staff/visits/undo")
    assert re.findall(r'class="card (\w+)"', await staff(web)) == (
        [] if answer == "yes" else ["sure"]
    )


async def test_only_staff_correct_and_only_what_they_see(shop, web):
    await shop.join()
    await shop.scan(CARD)
    visit = visit_of(shop, ANNA)
    await say(web, visit, "no")
    await web.post("/staff/visits/undo")
    assert visit_of(shop, ANNA) == visit, "nobody had signed in"
    await sign_in(web)
    for wrong, member in (("v-nowhere", ANNA.id), (visit, BORIS.id)):
        await say(web, wrong, "no", member=member)
        assert RU.text(staff_visits.CHANGED) in await staff(web)
    assert visit_of(shop, ANNA) == visit
    foreign = await web.post(
        "/staff/visits/say",
        data={"visit": visit, "member": ANNA.id, "answer": "no", "by": "x"},
        headers={"Origin": "http://elsewhere.example"},
    )
    assert foreign.status_code == 403
    odd = {"visit": visit, "member": ANNA.id, "answer": "maybe", "by": "x"}
    assert (await web.post("/staff/visits/say", data=odd)).status_code == 422


async def test_a_web_cart_goes_on_at_the_screen_that_greeted_its_member_alone(shop, web):
    await shop.join()
    await platform_says(shop.database, CART, *WISHES, ORDER)
    await web.post("/kiosk/main/continue")
    assert RU.text(continuing.WHO) in await screen(web)
    assert CODE not in await screen(web)
    await shop.scan(CARD)
    html = (await screen(web)).replace("\xa0", " ")
    for text in ("4 товара", "12 171 ₽", "12-000345", CODE, "Ветер 3»"):
        assert text in html, text
    await web.post("/kiosk/main/continue")
    html = (await screen(web)).replace("\xa0", " ")
    assert RU.text(continuing.CONTINUED) in html
    assert "GONE-1 × 1: больше не продаётся" in html
    assert "12 170 ₽" in html
    assert 'id="continue"' not in html
    [(kind, body)] = told(shop)
    assert (kind, body["as_of_ms"], len(body["lines"])) == ("cart.continued.v1", CART.as_of_ms, 2)
    await web.post("/kiosk/main/continue")
    assert RU.text("There is no cart to continue.") in await screen(web)
    await web.post("/kiosk/main/finish")
    html = await screen(web)
    assert CODE not in html
    assert "Анна" not in html
    assert shop.ordering.cart("main") == ()
    await shop.scan(CARD)
    assert 'id="continue"' in await screen(web), "it was given back"
    assert [kind for kind, _ in told(shop)] == ["cart.continued.v1", "cart.given_back.v1"]


@pytest.mark.parametrize("other", ["card", "not_me", "idle"])
async def test_the_web_cart_leaves_with_its_member(shop, web, other):
    await shop.join()
    await shop.join(BORIS)
    await platform_says(shop.database, CART)
    await shop.scan(SNEAKER)
    await web.post("/kiosk/main/add", data={"sku": "WIND3-BLUE-42"})
    await shop.scan(CARD)
    await web.post("/kiosk/main/continue")
    if other == "card":
        await shop.scan(BORIS_CARD)
    elif other == "not_me":
        await web.post("/kiosk/main/not-me")
    else:
        async with shop.screens.turn("main") as place:
            await shop.screens._leave("main", place)
    left = [(line.sku, line.quantity) for line in shop.ordering.cart("main")]
    assert left == ([] if other == "idle" else [("WIND3-BLUE-42", 1)])
    assert shop.ordering.beyond(ANNA.id).cart == CART
    assert "GONE-1" not in await screen(web)
    assert shop.screens.state("main").member == (BORIS.id if other == "card" else "")


async def test_an_offer_is_told_once_of_each_person_at_the_screen(shop, web):
    await shop.join()
    await shop.join(BORIS)

    def offers() -> list[str]:
        waiting = shop.database.backlog.events(Stream.BULK, 0, 100)
        bodies = [msgspec.json.decode(each.body) for each in waiting]
        return [body["sku"] for body in bodies if body.get("kind") == "member_price"]

    await shop.scan(SNEAKER)
    assert offers() == [], "nobody was greeted"
    await shop.scan(CARD)
    await shop.scan(SNEAKER)
    await web.post("/kiosk/main/cart")
    await shop.scan(SNEAKER)
    await shop.scan("036000291452")  # no member price
    assert offers() == ["WIND3-BLUE-42"]
    await shop.scan(SOLD_OUT)
    await shop.scan(BORIS_CARD)
    assert offers() == ["WIND3-BLUE-42", "WIND3-RED-40", "WIND3-RED-40"]
    await shop.screens.finish("main")
    await shop.scan(BORIS_CARD)
    await shop.scan(SOLD_OUT)
    assert offers()[3:] == ["WIND3-RED-40"]


async def test_the_card_in_a_browser_unfolds_stays_so_and_is_corrected(
    shop: Shop, browser: Browser
):
    await shop.enrol()
    await shop.join(BORIS)
    await platform_says(shop.database, CART, *WISHES, ORDER, *BOUGHT)
    seen = await watched(browser, TABLET)
    page = seen.page
    await enter(page, shop)
    await shop.scan(BORIS_CARD)
    await shop.see(1, 0.1)
    card = page.locator(f"[data-member={ANNA.id}]")
    await expect(card).to_contain_text("12-000345")
    await keep_picture(page, "card-ru")
    await expect(card.get_by_text("OLD-77")).to_be_hidden()
    await card.locator(".more summary").click()
    await expect(card.get_by_text("OLD-77")).to_be_visible()
    await shop.see(2, None)
    await expect(page.locator("#anonymous-here strong")).to_have_text("1")
    await expect(card.get_by_text("OLD-77")).to_be_visible()
    await keep_picture(page, "card-open-ru")
    for button in await page.locator("button, summary").all():
        box = await button.bounding_box()
        if box is not None:
            assert min(box["width"], box["height"]) >= TARGET_PX_MIN, await button.inner_text()
    assert await page.evaluate("document.documentElement.scrollWidth") <= TABLET["width"]
    await card.locator(".wrong summary").focus()
    await page.keyboard.press("Enter")
    await card.get_by_label("Ваше имя или номер").fill("Ольга 12")
    shop.screens.shop.ring()
    await keep_picture(page, "card-wrong-ru")
    await expect(card.get_by_label("Ваше имя или номер")).to_have_value("Ольга 12")
    await page.keyboard.press("Enter")
    await expect(card).to_have_count(0)
    await keep_picture(page, "card-undo-ru")
    await page.locator("#undo").click()
    await expect(card).to_have_count(1)
    await page.get_by_role("button", name="English").click()
    await expect(card).to_contain_text("Order 12-000345 is ready to be collected")
    await card.locator(".more summary").click()
    await keep_picture(page, "card-open-en")
    assert not [url for url in seen.asked if ANNA.name in url or CARD in url]


async def enter(page: Page, shop: Shop) -> None:
    await page.goto(f"{shop.url}/staff")
    await page.locator("#pin").fill(PIN)
    await page.keyboard.press("Enter")
    await expect(page.locator("#members-here")).to_be_visible()


async def test_the_greeted_members_screen_in_a_browser(shop: Shop, browser: Browser):
    await shop.join()
    await platform_says(shop.database, CART, *WISHES, ORDER)
    for viewport, language in ((PORTRAIT, "ru"), (LANDSCAPE, "en")):
        page = (await watched(browser, viewport)).page
        await page.goto(shop.url)
        await shop.scan(CARD)
        await shop.screens.speak("main", language)
        await expect(page.locator(".beyond .code")).to_have_text(CODE)
        await keep_picture(page, f"beyond-{viewport['width']}")
        for box in await boxes(page):
            assert min(box["width"], box["height"]) >= TARGET_PX_MIN, box
        await page.locator("#continue").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(".lines li")).to_have_count(2)
        await expect(page.locator(".left-out")).to_contain_text("GONE-1")
        await keep_picture(page, f"continued-{viewport['width']}")
        assert await page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        await page.locator("#finish").click()
        await expect(page.locator(".beyond")).to_have_count(0)
        assert CODE not in await page.content()
        await page.context.close()
