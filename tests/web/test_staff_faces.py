"""Enrolment by staff: for whom, with which words, and who is credited."""

import re
from collections.abc import AsyncIterator
from html import unescape

import httpx
import pytest
from playwright.async_api import expect

from edge.presence.capture import Stage
from edge.records import Hint
from kiosk.faces import HINTS, TICK_BOTH
from kiosk.twins import ANSWER_FIRST, NO, NOT_ENROLLED_BY_STAFF, YES
from tests.waiting import until
from tests.web.face_pages import (
    HERS,
    RU,
    TICKS,
    nothing_of_a_face,
    owners,
    sign_in,
    stage,
    told,
    version,
)
from tests.web.shop import ANNA, BORIS, BORIS_CARD, CARD, PIN, Shop
from tests.web.test_browser import PORTRAIT, keep_picture, watched


@pytest.fixture
async def web(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    await shop.join(ANNA)
    async with httpx.AsyncClient(base_url=shop.url) as client:
        yield client


async def form(web: httpx.AsyncClient, **changes: str) -> dict[str, str]:
    path = f"/staff/face/{ANNA.id}"
    shown = {"version": await version(web, path), "twin": NO, **TICKS}
    said = {"by": "Ольга 12", "screen": "main", **shown}
    return {name: value for name, value in (said | changes).items() if value}


async def test_a_seller_enrols_and_withdraws_for_a_member_and_is_credited(shop, web):
    await shop.scan(CARD)
    await shop.screens.finish("main")
    await sign_in(web)
    path = f"/staff/face/{ANNA.id}"
    assert path in (await web.get("/staff")).text
    for lacking in ("agreed", "adult"):
        await web.post(f"{path}/enrol", data=await form(web, **{lacking: ""}))
        assert RU.text(TICK_BOTH) in unescape((await web.get(path)).text)
    assert told(shop) == []
    await web.post(f"{path}/enrol", data=await form(web))
    await shop.camera_asked.wait()
    await shop.pose(Hint.CLOSER)
    for page in (await web.get(path), await web.get("/kiosk/main")):
        assert RU.text(HINTS[Hint.CLOSER]) in unescape(page.text)
    assert ANNA.name not in (await web.get("/kiosk/main")).text, "they have not acted there"
    await shop.photograph(HERS)
    await until(lambda: stage(shop) is Stage.DONE, "enrolled")
    html = unescape((await web.get(path)).text)
    assert RU.text("Done: %(name)s will be recognised next time.") % {"name": ANNA.name} in html
    assert 'value="Ольга 12"' in html, "asked once a shift"
    await web.post(f"{path}/withdraw", data={"by": "Ольга 12"})
    assert owners(shop) == {ANNA.id}, "without the tick nothing happens"
    await web.post(f"{path}/withdraw", data={"by": "Ольга 12", "sure": "yes"})
    assert owners(shop) == frozenset()
    assert {(type_, body["channel"], body["by"]) for type_, body in told(shop)} == {
        ("consent.given.v1", "staff", "Ольга 12"),
        ("face.enrolled.v1", "staff", "Ольга 12"),
        ("consent.withdrawn.v1", "staff", "Ольга 12"),
    }


@pytest.mark.parametrize(
    ("twin", "why"),
    [(YES, NOT_ENROLLED_BY_STAFF), ("", ANSWER_FIRST), ("perhaps", ANSWER_FIRST)],
)
async def test_whose_twin_may_come_and_who_was_not_asked_is_not_enrolled(shop, web, twin, why):
    await shop.scan(CARD)
    await shop.screens.finish("main")
    await sign_in(web)
    path = f"/staff/face/{ANNA.id}"
    await web.post(f"{path}/enrol", data=await form(web, twin=twin))
    said = re.search(r'role="status">([^<]+)<', (await web.get(path)).text)
    assert unescape(said[1]) == RU.text(why)
    nothing_of_a_face(shop)


async def test_a_seller_is_shown_the_consent_only_where_there_is_no_twin(shop, browser):
    await shop.join()
    await shop.scan(CARD)
    seen = await watched(browser, PORTRAIT)
    page = seen.page
    await page.goto(f"{shop.url}/staff")
    await page.locator("#pin").fill(PIN)
    await page.locator("#pin").press("Enter")
    await expect(page.locator("#live")).to_be_visible()
    await page.goto(f"{shop.url}/staff/face/{ANNA.id}")
    await expect(page.locator(".yes-or-no")).to_be_visible()
    await expect(page.locator(".agreement")).to_be_hidden()
    await keep_picture(page, "staff-face-twin")
    await page.locator("#twin-yes").check()
    await expect(page.get_by_text(RU.text(NOT_ENROLLED_BY_STAFF))).to_be_visible()
    await expect(page.locator("#enrol")).to_be_hidden()
    await keep_picture(page, "staff-face-twin-yes")
    await page.locator("#twin-no").check()
    await expect(page.get_by_text(RU.text(NOT_ENROLLED_BY_STAFF))).to_be_hidden()
    await expect(page.locator(".agreement")).to_be_visible()
    await keep_picture(page, "staff-face-twin-no")
    assert seen.complaints == []
    await page.close()


async def test_only_staff_and_only_for_who_is_on_their_page(shop, web):
    path = f"/staff/face/{ANNA.id}"
    posts = {"enrol": {"by": "x", "screen": "main", "version": "x", "twin": NO, **TICKS},
             "withdraw": {"by": "x", "sure": "yes"}, "cancel": {}, "seen": {}}  # fmt: skip
    for act, data in posts.items():
        assert (await web.post(f"{path}/{act}", data=data)).status_code == 303
    assert (await web.get(path)).headers["location"] == "/staff"
    assert (await web.get(f"/live{path}")).status_code == 401
    await sign_in(web)
    assert (await web.get(path)).headers["location"] == "/staff", "not in the shop"
    await web.post(f"{path}/enrol", data=posts["enrol"])
    await web.post(f"{path}/withdraw", data=posts["withdraw"])
    assert told(shop) == []


async def test_a_screen_in_use_is_not_taken_from_anybody(shop, web):
    await shop.join(BORIS)
    await shop.scan(CARD)
    await shop.scan(BORIS_CARD)
    await sign_in(web)
    path = f"/staff/face/{ANNA.id}"
    await web.post(f"{path}/enrol", data=await form(web))
    assert RU.text("Somebody else is using that screen.") in unescape((await web.get(path)).text)
    assert told(shop) == []
    await shop.screens.finish("main")
    await web.post(f"{path}/enrol", data=await form(web, screen="elsewhere"))
    assert told(shop) == []
    await web.post(f"{path}/enrol", data=await form(web))
    await shop.camera_asked.wait()
    await web.post(f"{path}/cancel")
    assert stage(shop) is None
    assert [type_ for type_, _ in told(shop)] == ["consent.given.v1", "consent.withdrawn.v1"]
