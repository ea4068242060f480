"""Enrolment at the screen: who is offered what, what is said, and what ends it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from playwright.async_api import Browser, expect

from edge.presence.capture import Failure, Stage
from edge.records import ConsentKind, Hint
from kiosk.consent_text import WORDING, face_text
from kiosk.faces import CARD_FIRST, FORGOTTEN, HINTS, TEXT_CHANGED, TICK_BOTH, WHY_FAILED
from kiosk.session import Screens
from kiosk.state import Page
from kiosk.twins import ANSWER_FIRST, NO, NOT_ENROLLED, YES
from kiosk.words import LANGUAGES
from tests.waiting import until
from tests.web.face_pages import (
    HERS,
    RU,
    TICKS,
    begin,
    nothing_of_a_face,
    owners,
    screen,
    sign_in,
    stage,
    told,
)
from tests.web.shop import ANNA, BORIS, BORIS_CARD, CARD, SETTINGS, SNEAKER, Shop
from tests.web.test_browser import (
    LANDSCAPE,
    PORTRAIT,
    TARGET_PX_MIN,
    boxes,
    keep_picture,
    watched,
)

VERSIONS = {
    ("ru", False): "face-1-ru-0acdf084cacd",
    ("ru", True): "face-1-ru-2d6c8cf5bd91",
    ("en", False): "face-1-en-1071af12a891",
    ("en", True): "face-1-en-349a75d0f84f",
}


@pytest.fixture
async def web(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    await shop.join(ANNA)
    async with httpx.AsyncClient(base_url=shop.url) as client:
        yield client


async def test_the_whole_way_with_plain_forms(shop, web):
    await shop.scan(CARD)
    assert RU.text("Be recognised next time") in await screen(web)
    await web.post("/kiosk/main/face/open")
    assert RU.text("Do you have a twin, or somebody whom people take you for?") in await screen(web)
    await web.post("/kiosk/main/face/answer", data={"twin": NO})
    html = await screen(web)
    shown = face_text("ru", operator=SETTINGS.store_name, contact="", sent_up=False)
    assert all(paragraph in html for paragraph in shown.paragraphs), "in full"
    for ticks in ({}, {"agreed": "yes"}, {"adult": "yes"}):
        await web.post("/kiosk/main/face/agree", data={"version": shown.version, **ticks})
        assert shop.screens.state("main").notice == (TICK_BOTH,)
        assert RU.text(TICK_BOTH) in await screen(web)
    await web.post("/kiosk/main/face/agree", data={"version": "face-0", **TICKS})
    assert shop.screens.state("main").notice == (TEXT_CHANGED,)
    assert (told(shop), shop.camera_asked.is_set()) == ([], False)
    await web.post("/kiosk/main/face/agree", data={"version": shown.version, **TICKS})
    await shop.camera_asked.wait()
    assert told(shop)[0][1]["text_version"] == shown.version
    for hint in Hint:
        if hint is not Hint.GOOD:
            await shop.pose(hint)
        html = await screen(web)
        assert hint is Hint.GOOD or RU.text(HINTS[hint]) in html
    await shop.photograph(HERS, 1, 2, 3)
    html = await screen(web)
    assert RU.text(HINTS[Hint.GOOD]) in html
    assert "3 из 5" in html
    assert html.count("part taken") == 3
    await shop.photograph(HERS, 4, 5)
    await until(lambda: stage(shop) is Stage.DONE, "enrolled")
    assert RU.text("Done! We will recognise you next time.") in await screen(web)
    await web.post("/kiosk/main/back")
    html = await screen(web)
    assert RU.text("Refresh my face") in html
    assert RU.text("Be recognised next time") not in html
    await web.post("/kiosk/main/face/off")
    assert RU.text("Shall we forget your face?") in await screen(web)
    await web.post("/kiosk/main/face/withdraw")
    assert RU.text(FORGOTTEN) in await screen(web)
    assert owners(shop) == frozenset()
    assert [type_ for type_, _ in told(shop)] == [
        "consent.given.v1",
        "face.enrolled.v1",
        "consent.withdrawn.v1",
    ]


async def test_who_has_a_twin_is_not_enrolled_and_told_why(shop, web):
    await shop.scan(CARD)
    await web.post("/kiosk/main/face/open")
    nothing_of_a_face(shop)
    await web.post("/kiosk/main/face/answer", data={"twin": YES})
    html = await screen(web)
    assert all(RU.text(sentence) in html for sentence in NOT_ENROLLED)
    assert shop.screens.state("main").page is Page.ATTRACT
    assert shop.screens.member("main").id == ANNA.id, "all else goes on"
    agreement = face_text("ru", operator=SETTINGS.store_name, contact="", sent_up=False)
    await web.post("/kiosk/main/face/agree", data={"version": agreement.version, **TICKS})
    assert shop.screens.state("main").notice == (ANSWER_FIRST,), "no page leads past the answer"
    nothing_of_a_face(shop)


async def test_a_twin_who_says_so_later_ends_what_was_begun(shop, web):
    await begin(shop, web)
    await shop.photograph(HERS, 1, 2, 3, 4)
    await web.post("/kiosk/main/face/answer", data={"twin": YES})
    assert stage(shop) is None
    await shop.photograph(HERS, 5)
    assert owners(shop) == frozenset()
    assert not shop.presence.member(ANNA.id).agreed(ConsentKind.FACE)


@pytest.mark.parametrize("said", [{}, {"twin": ""}, {"twin": "perhaps"}])
async def test_without_an_answer_there_is_no_consent_to_agree_to(shop, web, said):
    await shop.scan(CARD)
    agreement = face_text("ru", operator=SETTINGS.store_name, contact="", sent_up=False)
    ticks = {"version": agreement.version, **TICKS}
    await web.post("/kiosk/main/face/open")
    for path, data in (("answer", said), ("agree", ticks | said)):
        await web.post(f"/kiosk/main/face/{path}", data=data)
        assert shop.screens.state("main").notice == (ANSWER_FIRST,)
        assert shop.screens.state("main").page is Page.TWIN, "it is asked again"
        assert RU.text(ANSWER_FIRST) in await screen(web)
        nothing_of_a_face(shop)


async def nobody(shop: Shop) -> None:
    """Nobody stands there."""


async def by_face(shop: Shop) -> None:
    await shop.enrol()
    await shop.see(1, HERS, "camera-main")
    async with shop.screens.turn("main") as place:
        await shop.screens.greet("main", place, ANNA)


async def off(shop: Shop) -> None:
    shop.enrolment.allow(False)
    await shop.scan(CARD)


@pytest.mark.parametrize("arrives", [nobody, by_face, off])
async def test_nothing_is_offered_without_the_card_or_where_it_cannot_be(shop, web, arrives):
    await arrives(shop)
    html = await screen(web)
    assert "face/open" not in html
    assert "face/extend" not in html
    assert "face/off" not in html
    for path in ("open", "answer", "extend"):
        await web.post(f"/kiosk/main/face/{path}", data={"twin": NO})
        assert shop.screens.state("main").page is Page.ATTRACT
    before = owners(shop)
    await web.post("/kiosk/main/face/withdraw")
    assert owners(shop) == before
    assert stage(shop) is None
    assert not shop.camera_asked.is_set()
    if arrives is by_face:
        assert shop.screens.state("main").notice == (CARD_FIRST,)


async def test_a_box_without_cameras_has_no_such_pages(shop):
    alone = Screens(shop.ordering, shop.presence, shop.clock, SETTINGS)
    shop.screens = alone
    await shop.restart_server()
    async with httpx.AsyncClient(base_url=shop.url) as web:
        await shop.join()
        await shop.scan(CARD)
        assert "face" not in await screen(web)
        assert (await web.post("/kiosk/main/face/open")).status_code in (404, 405)


async def goes_back(shop: Shop) -> None:
    await shop.screens.back("main")


async def finishes(shop: Shop) -> None:
    await shop.screens.finish("main")


async def is_somebody_else(shop: Shop) -> None:
    await shop.screens.not_me("main")


async def scans_a_product(shop: Shop) -> None:
    await shop.scan(SNEAKER)


async def another_card(shop: Shop) -> None:
    await shop.join(BORIS)
    await shop.scan(BORIS_CARD)


async def opens_the_cart(shop: Shop) -> None:
    await shop.screens.open_cart("main")


@pytest.mark.parametrize(
    "does", [goes_back, finishes, is_somebody_else, scans_a_product, another_card, opens_the_cart]
)
async def test_whoever_does_something_else_is_not_enrolled_any_further(
    shop: Shop, web: httpx.AsyncClient, does: Callable[[Shop], Awaitable[None]]
) -> None:
    await begin(shop, web)
    await shop.photograph(HERS, 1, 2, 3, 4)
    await does(shop)
    assert stage(shop) is None
    await shop.photograph(HERS, 5)
    assert owners(shop) == frozenset()
    assert not shop.presence.member(ANNA.id).agreed(ConsentKind.FACE)
    assert shop.screens.state("main").page is not Page.FACE


async def test_the_screen_waits_as_long_as_somebody_is_looked_at(shop, web):
    await begin(shop, web)
    shop.pass_time(SETTINGS.idle_s - 1)
    await shop.pose(Hint.LIGHT)
    assert stage(shop) is Stage.CAPTURING
    shop.pass_time(1)
    await until(lambda: stage(shop) is Stage.FAILED, "its own time ended")
    assert RU.text(WHY_FAILED[Failure.TIMED_OUT]) in await screen(web)
    assert RU.text("Try again") in await screen(web)
    shop.pass_time(SETTINGS.idle_s)
    await until(lambda: shop.screens.warning_left_s("main") is not None, "the warning")
    shop.pass_time(SETTINGS.warning_s)
    await until(lambda: shop.screens.state("main").page is Page.ATTRACT, "they have gone")
    assert stage(shop) is None


async def test_another_members_face_is_sent_to_a_seller(shop, web):
    await shop.join(BORIS)
    await begin(shop, web)
    await shop.photograph(HERS)
    await until(lambda: stage(shop) is Stage.DONE, "enrolled")
    await begin(shop, web, BORIS_CARD)
    await shop.photograph(HERS)
    await until(lambda: stage(shop) is Stage.DUPLICATE, "found out")
    html = await screen(web)
    assert RU.text("Ask a seller, please.") in html
    assert ANNA.name not in html
    assert owners(shop) == {ANNA.id}
    await sign_in(web)
    assert f"notice-{BORIS.id}" in (await web.get("/staff")).text
    await web.post(f"/staff/face/{BORIS.id}/seen")
    assert f"notice-{BORIS.id}" not in (await web.get("/staff")).text


# --- the text


@pytest.mark.parametrize("sent_up", [False, True])
def test_the_version_names_all_that_was_shown(sent_up):
    given = {"operator": "ООО «Мяч»", "contact": "a@b.example", "sent_up": sent_up}
    texts = [face_text(language, **given) for language in LANGUAGES]
    changes = ({"operator": "x"}, {"contact": ""}, {"sent_up": not sent_up})
    texts += [face_text("ru", **(given | change)) for change in changes]
    assert len({text.version for text in texts}) == len(texts)
    assert all(text.version.startswith(f"{WORDING}-") for text in texts)
    assert all(len(text.version) <= 64 for text in texts)
    russian, english = texts[:2]
    assert len(russian.paragraphs) == len(english.paragraphs) == 8
    assert all("ООО «Мяч»" in "".join(text.paragraphs) for text in (russian, english))
    assert face_text("ru", **given) == russian


@pytest.mark.parametrize(("language", "sent_up"), VERSIONS)
def test_a_changed_wording_is_noticed(language, sent_up):
    """Whoever changes a word raises `WORDING` and writes the new version here."""
    text = face_text(language, operator="Shop", contact="us", sent_up=sent_up)
    assert text.version == VERSIONS[language, sent_up]


# --- in a browser


async def test_it_fits_the_screen_and_keeps_what_was_ticked(shop: Shop, browser: Browser) -> None:
    await shop.join()
    for viewport in (PORTRAIT, LANDSCAPE):
        width = viewport["width"]
        seen = await watched(browser, viewport)
        page = seen.page
        await page.goto(shop.url)
        await shop.scan(CARD)
        await page.locator("#face-open").click()
        await expect(page.locator("#twin-no")).to_be_in_viewport()
        await expect(page.locator("#back")).to_be_in_viewport()
        await fits(page, f"face-twin-{width}", viewport)
        await page.locator("#twin-yes").click()
        await expect(page.locator(".notice")).to_contain_text(RU.text(NOT_ENROLLED[0]))
        await keep_picture(page, f"face-twin-yes-{width}")
        await page.locator("#face-open").click()
        await page.locator("#twin-no").click()
        await page.locator("#agreed").check()
        await page.locator("#adult").check()
        shop.pass_time(SETTINGS.idle_s)
        await expect(page.get_by_role("alertdialog")).to_be_visible()
        await page.locator("#awake").click()
        await expect(page.get_by_role("alertdialog")).to_have_count(0)
        await expect(page.locator("#agreed")).to_be_checked()
        await expect(page.locator("#agree")).to_be_in_viewport()
        await fits(page, f"face-consent-{width}", viewport)
        await page.locator("#agree").click()
        await shop.camera_asked.wait()
        await shop.pose(Hint.STRAIGHT)
        await expect(page.locator("#says")).to_have_text(RU.text(HINTS[Hint.STRAIGHT]))
        await shop.photograph(HERS, 1, 2)
        await expect(page.locator(".part.taken")).to_have_count(2)
        await expect(page.locator("#back")).to_be_in_viewport()
        await fits(page, f"face-capturing-{width}", viewport)
        await page.locator("#back").click()
        await expect(page.locator("#face-open")).to_be_visible()
        await shop.screens.finish("main")
        shop.camera_asked.clear()
        assert seen.complaints == []
        await page.close()
    assert owners(shop) == frozenset()


async def fits(page, name: str, viewport: dict) -> None:
    await keep_picture(page, name)
    for box in await boxes(page):
        assert min(box["width"], box["height"]) >= TARGET_PX_MIN, (name, box)
    assert await page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
