"""What was agreed to is taken back: at the screen, and by staff; one kind, or the whole profile."""

from collections.abc import AsyncIterator
from html import unescape

import httpx
import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, expect

from edge import consent
from edge.records import Consent, ConsentKind
from edge.storage import erased, members, templates
from kiosk.consents import CARD_AGAIN, DONE, ERASED, LOSES, NOTED, NOTHING, PROVED, SURE, TITLES
from kiosk.faces import CARD_FIRST
from kiosk.staff_consents import GONE
from kiosk.state import Page
from kiosk.words import Words
from tests import faces
from tests.web.face_pages import RU, screen, sign_in, told
from tests.web.shop import ANNA, BORIS, BORIS_CARD, CARD, PIN, SNEAKER, START_MS, Shop
from tests.web.test_browser import (
    LANDSCAPE,
    PORTRAIT,
    TARGET_PX_MIN,
    boxes,
    keep_picture,
    watched,
)

KINDS = tuple(ConsentKind)
WENT = {
    ConsentKind.FACE: ["templates"],
    ConsentKind.WIFI: ["logins"],
    ConsentKind.MARKETING: [],
    ConsentKind.PROGRAMME: ["profile", "templates", "logins"],
}


async def agreed_to_all(shop: Shop) -> None:
    """Anna has agreed to everything, and has a face and a login."""
    agreed = tuple(Consent(kind, START_MS, "v1", "desk") for kind in KINDS)
    known = replace(ANNA, consents=agreed, logins=("+79001112233",))

    def change(tx) -> None:
        consent.accept_member(tx, known)
        consent.accept_template(tx, faces.template(ANNA.id, 0.1))

    await shop.database.transact(change)
    shop.presence.reload()


@pytest.fixture
async def web(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    await agreed_to_all(shop)
    async with httpx.AsyncClient(base_url=shop.url) as client:
        yield client


def left(shop: Shop) -> frozenset[ConsentKind]:
    return consent.agreed_by(shop.database.reading, ANNA.id)


def says(kind: ConsentKind) -> list[str]:
    """What is said of it afterwards."""
    last = PROVED if kind is ConsentKind.PROGRAMME else NOTED
    return [RU.text(each) for each in (DONE[kind], *(ERASED[name] for name in WENT[kind]), last)]


@pytest.mark.parametrize("kind", KINDS)
async def test_taken_back_at_the_screen_with_plain_forms(shop, web, kind):
    await shop.scan(CARD)
    assert RU.text("My consents") in await screen(web)
    await web.post("/kiosk/main/consents/open")
    html = await screen(web)
    assert all(RU.text(TITLES[each]) in html for each in KINDS)
    await web.post("/kiosk/main/consents/ask", data={"kind": kind})
    assert RU.text(LOSES[kind]) in await screen(web)
    assert left(shop) == set(KINDS), "asked first"
    await web.post("/kiosk/main/consents/open")
    assert shop.screens.state("main").kind == "", "kept"
    await web.post("/kiosk/main/consents/withdraw")
    assert left(shop) == set(KINDS), "nothing is asked about any more"
    await web.post("/kiosk/main/consents/ask", data={"kind": kind})
    await web.post("/kiosk/main/consents/withdraw")
    html = await screen(web)
    assert [each for each in says(kind) if each not in html] == []
    whole = kind is ConsentKind.PROGRAMME
    assert left(shop) == (set() if whole else set(KINDS) - {kind})
    type_, body = told(shop)[-1]
    assert (type_, body["member"]) == (
        "erasure.done.v1" if whole else "consent.withdrawn.v1",
        ANNA.id,
    )
    assert whole or (body["kind"], body["channel"], body["by"]) == (kind, "kiosk", "")
    if whole:
        assert "Анна" not in html
        assert shop.screens.state("main").page is Page.ATTRACT
        assert erased.contains(shop.database.reading, shop.database.vault, ANNA.id)
        await shop.scan(CARD)
        assert "Анна" not in await screen(web), "the card is nobody's"
    else:
        assert "Анна" in html
        assert f'value="{kind}"' not in html, "no longer in the list"
    assert (ANNA.id in templates.owners(shop.database.reading)) == (
        kind not in (ConsentKind.FACE, ConsentKind.PROGRAMME)
    )


async def test_only_who_showed_the_card_is_listened_to(shop, web):
    await web.post("/kiosk/main/consents/open")
    assert shop.screens.state("main").page is Page.ATTRACT
    async with shop.screens.turn("main") as place:  # recognised by face alone
        await shop.screens.greet("main", place, ANNA)
    assert RU.text("My consents") not in await screen(web)
    await web.post("/kiosk/main/consents/ask", data={"kind": "programme"})
    assert shop.screens.state("main").notice == (CARD_FIRST,)
    await web.post("/kiosk/main/consents/withdraw")
    assert left(shop) == set(KINDS)
    assert (await web.post("/kiosk/main/consents/ask", data={"kind": "x"})).status_code == 422


async def test_what_was_not_agreed_to_and_another_member(shop, web):
    await shop.join(BORIS)
    await shop.scan(BORIS_CARD)
    await web.post("/kiosk/main/consents/ask", data={"kind": "wifi"})
    assert shop.screens.state("main").notice == (NOTHING,)
    await shop.scan(CARD)
    await web.post("/kiosk/main/consents/ask", data={"kind": "programme"})
    await shop.scan(BORIS_CARD)
    assert shop.screens.state("main").page is Page.ATTRACT, "it was hers"
    await web.post("/kiosk/main/consents/withdraw")
    assert members.exists(shop.database.reading, BORIS.id)
    assert left(shop) == set(KINDS)


async def test_what_nobody_can_undo_wants_a_card_that_was_just_shown(shop, web):
    """Whoever comes next finds the screen as she left it."""
    await shop.scan(CARD)
    await web.post("/kiosk/main/consents/ask", data={"kind": "programme"})
    shop.clock.move(shop.clock.now().wall_ms + 40_000)
    await web.post("/kiosk/main/consents/withdraw")
    assert shop.screens.state("main").notice == (CARD_AGAIN,)
    assert left(shop) == set(KINDS)
    await shop.scan(CARD)
    await web.post("/kiosk/main/consents/withdraw")
    assert left(shop) == set()


async def test_whoever_deletes_their_profile_pays_what_anybody_pays(shop, web):
    await shop.scan(CARD)
    await shop.scan(SNEAKER)
    await shop.screens.add("main", shop.screens.state("main").sku)
    hers = shop.ordering.cart("main")[0].unit_price_minor
    await web.post("/kiosk/main/consents/ask", data={"kind": "programme"})
    await web.post("/kiosk/main/consents/withdraw")
    assert shop.ordering.cart("main")[0].unit_price_minor > hers


async def test_a_second_tap_leaves_what_the_first_one_was_told(shop, web):
    await shop.scan(CARD)
    await web.post("/kiosk/main/consents/ask", data={"kind": "wifi"})
    await web.post("/kiosk/main/consents/withdraw")
    await web.post("/kiosk/main/consents/withdraw")
    html = await screen(web)
    assert [each for each in says(ConsentKind.WIFI) if each not in html] == []


async def test_staff_hear_when_nothing_was_taken_back(shop, web):
    await sign_in(web)
    path, form = f"/staff/consents/{ANNA.id}", {"by": "Ольга", "kind": "wifi", "sure": "yes"}
    await web.post(f"{path}/withdraw", data=form)  # she has left meanwhile
    html = unescape((await web.get("/staff")).text)
    assert all(RU.text(each) in html for each in GONE)
    await shop.scan(CARD)
    assert (await web.post(f"{path}/withdraw", data=form | {"by": "  "})).status_code == 422
    assert left(shop) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_seller_takes_it_back_and_is_credited(shop, web, kind):
    path = f"/staff/consents/{ANNA.id}"
    form = {"by": "Ольга 12", "kind": kind, "sure": "yes"}
    await web.post(f"{path}/withdraw", data=form)
    assert (await web.get(path)).headers["location"] == "/staff", "nobody has signed in"
    await sign_in(web)
    await web.post(f"{path}/withdraw", data=form)
    assert (await web.get(path)).headers["location"] == "/staff", "she is not in the shop"
    assert left(shop) == set(KINDS)
    await shop.scan(CARD)
    assert path in (await web.get("/staff")).text
    html = unescape((await web.get(path)).text)
    assert all(RU.text(LOSES[each]) in html for each in KINDS)
    await web.post(f"{path}/withdraw", data=form | {"sure": ""})
    assert RU.text(SURE) in unescape((await web.get(path)).text)
    assert left(shop) == set(KINDS)
    await web.post(f"{path}/withdraw", data=form)
    whole = kind is ConsentKind.PROGRAMME
    html = unescape((await web.get("/staff" if whole else path)).text)
    assert [each for each in says(kind) if each not in html] == []
    assert left(shop) == (set() if whole else set(KINDS) - {kind})
    assert whole or (told(shop)[-1][1]["channel"], told(shop)[-1][1]["by"]) == ("staff", "Ольга 12")
    assert ("Петрова" in html) is not whole


async def test_what_it_looks_like(shop: Shop, browser: Browser):
    await agreed_to_all(shop)
    for name, size in (("portrait", PORTRAIT), ("landscape", LANDSCAPE)):
        seen = await watched(browser, size)
        page = seen.page
        await page.goto(shop.url)
        await shop.scan(CARD)
        await page.locator("#consents-open").click()
        await expect(page.locator("h1")).to_have_text(RU.text("What you have agreed to"))
        for button in await boxes(page):
            assert min(button["width"], button["height"]) >= TARGET_PX_MIN, button
        await keep_picture(page, f"consents-{name}")
        await page.locator("#ask-programme").click()
        await expect(page.locator("#loses")).to_have_text(RU.text(LOSES[ConsentKind.PROGRAMME]))
        fits = "document.documentElement.scrollHeight <= window.innerHeight"
        assert await page.evaluate(fits), "the question is seen as a whole"
        await keep_picture(page, f"withdraw-programme-{name}")
        await page.locator("#keep").click()
        await page.locator("#language-en").click()
        await expect(page.locator("h1")).to_have_text("What you have agreed to")
        await page.locator("#finish").click()
        assert seen.complaints == []
    await shop.scan(CARD)
    await page.goto(f"{shop.url}/staff")
    await page.locator("input[name=pin]").fill(PIN)
    await page.keyboard.press("Enter")
    await expect(page.locator("#people")).to_be_visible()
    await page.goto(f"{shop.url}/staff/consents/{ANNA.id}")
    await page.locator("#kind-wifi").check()
    await page.locator("#sure").check()
    await page.locator("#by").fill("Ольга 12")
    await keep_picture(page, "staff-consents")
    await page.locator("#withdraw").click()
    await expect(page.locator("#said")).to_contain_text(RU.text(DONE[ConsentKind.WIFI]))
    await keep_picture(page, "staff-consents-done")
    await page.goto(shop.url)
    await page.locator("#consents-open").click()
    await page.locator("#ask-programme").click()
    await page.locator("#withdraw").click()
    done = Words("en", "RUB").text(DONE[ConsentKind.PROGRAMME])
    await expect(page.locator(".notice")).to_contain_text(RU.text(done))
    await keep_picture(page, "withdrawn-programme")
