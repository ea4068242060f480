"""The pages in a real browser: live without reload, in both languages, and nothing from outside."""

import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from msgspec import Struct
from playwright.async_api import Browser, Page, expect

from kiosk.pin import TRIES_MAX
from tests.conftest import ROOT
from tests.web.shop import ANNA, CARD, HOSTILE, HOSTILE_TITLE, PIN, SETTINGS, SNEAKER, Shop

TARGET_PX_MIN = 64
PICTURES = ROOT / "build" / "screenshots"
PORTRAIT = {"width": 1080, "height": 1920}
LANDSCAPE = {"width": 1280, "height": 800}


class Watched(Struct):
    """A page with what it asked for and complained about."""

    page: Page
    asked: list[str]
    complaints: list[str]
    loads: list[str]


async def watched(browser: Browser, viewport: dict) -> Watched:
    context = await browser.new_context(viewport=viewport, locale="ru-RU")
    page = await context.new_page()
    seen = Watched(page, [], [], [])
    page.on("request", lambda request: seen.asked.append(request.url))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("load", lambda _: seen.loads.append(page.url))
    return seen


@pytest.fixture
async def kiosk(shop: Shop, browser: Browser) -> AsyncIterator[Watched]:
    """The kiosk's browser, which must stay content and at home."""
    seen = await watched(browser, PORTRAIT)
    await seen.page.goto(shop.url)
    yield seen
    hosts = {urlsplit(url).netloc for url in seen.asked}
    assert hosts == {urlsplit(shop.url).netloc}
    assert seen.complaints == []


async def test_the_main_job_at_the_screen(shop: Shop, kiosk: Watched):
    page = kiosk.page
    await expect(page.locator("h1")).to_have_text("Отсканируйте товар")
    await shop.scan(SNEAKER)
    await expect(page.locator("h1")).to_have_text("Кроссовки беговые «Ветер 3»")
    await expect(page.locator(".price strong").first).to_have_text("12 990 ₽")
    await expect(page.locator(".sizes .chip")).to_have_count(5)
    await expect(page.locator("tr.here .quantity")).to_have_text("3 шт.")
    await page.get_by_role("button", name="красный").click()
    await expect(page.locator("#live")).to_have_attribute("data-page", "product-WIND3-RED-42")
    await page.get_by_role("button", name="В корзину").click()
    await expect(page.locator("#cart .count")).to_have_text("1")
    await page.locator("#language-en").click()
    await expect(page.locator("h1")).to_have_text("Wind 3 running shoes")
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    await page.locator("#cart").click()
    await expect(page.locator(".total strong")).to_have_text("₽12,990")
    await page.get_by_role("button", name="Place the order").click()
    await expect(page.locator("#order-number")).to_have_text("07-000001")
    assert len(kiosk.loads) == 1, "everything happened without a reload"
    await page.reload()
    await expect(page.locator("#order-number")).to_have_text("07-000001")
    await page.get_by_role("button", name="Done").click()
    await expect(page.locator("h1")).to_have_text("Отсканируйте товар")


async def test_a_hostile_title_is_shown_as_text(shop: Shop, kiosk: Watched):
    await shop.scan(HOSTILE)
    await expect(kiosk.page.locator("h1")).to_have_text(HOSTILE_TITLE)
    assert await kiosk.page.title() == SETTINGS.store_name
    await shop.scan("<img src=x onerror=alert(1)>")
    await expect(kiosk.page.locator(".code")).to_have_text("<img src=x onerror=alert(1)>")
    await keep_picture(kiosk.page, "unknown")


async def test_idle_asks_and_then_forgets(shop: Shop, kiosk: Watched):
    await shop.enrol()
    page = kiosk.page
    await shop.scan(CARD)
    await shop.scan(SNEAKER)
    await expect(page.locator("#hello")).to_contain_text("Анна")
    shop.pass_time(SETTINGS.idle_s)
    await expect(page.get_by_role("alertdialog")).to_be_visible()
    await expect(page.locator("#awake")).to_be_focused()
    await keep_picture(page, "warning")
    await expect(page.locator(".clock")).to_have_text(re.compile(r"0:(30|2\d)"))
    await page.keyboard.press("Shift")  # any input will do
    await expect(page.get_by_role("alertdialog")).to_have_count(0)
    await expect(page.locator("#hello")).to_be_visible()
    shop.pass_time(SETTINGS.idle_s)
    await expect(page.get_by_role("alertdialog")).to_be_visible()
    shop.pass_time(SETTINGS.warning_s)
    await expect(page.locator("h1")).to_have_text("Отсканируйте товар")
    assert "Анна" not in await page.content()


async def test_the_page_comes_back_after_the_box(shop: Shop, kiosk: Watched):
    await expect(kiosk.page.locator("h1")).to_have_text("Отсканируйте товар")
    await shop.restart_server()
    await shop.scan(SNEAKER)
    await expect(kiosk.page.locator("h1")).to_contain_text("Ветер 3", timeout=15_000)
    kiosk.complaints.clear()  # the browser reports the lost connection, as it should


async def test_what_is_tapped_is_large_enough_and_nothing_is_cut_off(shop: Shop, browser: Browser):
    await shop.enrol()
    for viewport in (PORTRAIT, LANDSCAPE):
        seen = await watched(browser, viewport)
        await seen.page.goto(shop.url)
        await keep_picture(seen.page, f"attract-{viewport['width']}")
        await shop.scan(CARD)
        await shop.scan(SNEAKER)
        for step in (None, shop.screens.open_cart, shop.screens.place):
            if step is not None:
                await shop.screens.add("main", "WIND3-BLUE-42")
                await step("main")
            state = shop.screens.state("main")
            shown = f"{state.page}-{state.sku}"
            await expect(seen.page.locator("#live")).to_have_attribute("data-page", shown)
            await keep_picture(seen.page, f"{state.page}-{viewport['width']}")
            for box in await boxes(seen.page):
                assert min(box["width"], box["height"]) >= TARGET_PX_MIN, (shown, box)
            wide = await seen.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= viewport["width"]
        await shop.screens.finish("main")


async def keep_picture(page: Page, name: str) -> None:
    """For people to look at, in build/screenshots; no test compares pictures."""
    await page.evaluate("document.fonts.ready")
    await page.screenshot(path=PICTURES / f"{name}.png")


async def boxes(page: Page) -> list[dict]:
    return await page.locator("button").evaluate_all(
        "all => all.map(b => { const r = b.getBoundingClientRect();"
        " return {id: b.id, width: Math.round(r.width), height: Math.round(r.height)}; })"
    )


async def test_it_also_works_without_javascript(shop: Shop, browser: Browser):
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await shop.scan(SNEAKER)
    await page.goto(shop.url)
    await page.get_by_role("button", name="В корзину").click()
    await page.locator("#cart").click()
    await page.get_by_role("button", name="Оформить заказ").click()
    await expect(page.locator("#order-number")).to_have_text("07-000001")


async def test_its_me_shows_that_the_camera_looks(shop: Shop, kiosk: Watched):
    await shop.enrol()
    await kiosk.page.locator("#its-me").click()
    await expect(kiosk.page.get_by_role("heading", name="Посмотрите")).to_be_visible()
    await shop.camera_asked.wait()
    await shop.see(7, 0.1, camera="camera-main")
    await expect(kiosk.page.locator("#hello")).to_contain_text("Анна")


async def test_staff_sign_in_and_see_who_comes(shop: Shop, browser: Browser):
    await shop.enrol()
    seen = await watched(browser, LANDSCAPE)
    page = seen.page
    await page.goto(f"{shop.url}/staff")
    for _ in range(TRIES_MAX):
        await page.locator("#pin").fill("000000x")
        await page.get_by_role("button", name="Войти").click()
        await expect(page.get_by_role("alert")).to_be_visible()
    await expect(page.get_by_role("alert")).to_contain_text("Повторите через")
    shop.pass_time(31)
    await page.locator("#pin").fill(PIN)
    await page.get_by_role("button", name="Войти").click()
    await expect(page.locator("#members-here strong")).to_have_text("0")
    await shop.see(1, 0.1)
    card = page.locator(f"[data-member={ANNA.id}]")
    await expect(card).to_contain_text(ANNA.name)
    await expect(card.locator(".probability strong")).to_have_text("99,9 %")
    await expect(card.locator(".why")).to_contain_text("кадров: 3")
    await shop.see(2, None)
    await expect(page.locator("#anonymous-here strong")).to_have_text("1")
    await keep_picture(page, "staff")
    await shop.withdraw(ANNA)
    await expect(card).to_have_count(0)
    await page.locator("#leave").click()
    await expect(page.locator("#pin")).to_be_visible()
    assert {urlsplit(url).netloc for url in seen.asked} == {urlsplit(shop.url).netloc}
    assert not [text for text in seen.complaints if "Security Policy" in text]


async def test_a_tablet_whose_session_ended_asks_for_the_pin(shop: Shop, browser: Browser):
    seen = await watched(browser, LANDSCAPE)
    await seen.page.goto(f"{shop.url}/staff")
    await seen.page.locator("#pin").fill(PIN)
    await seen.page.keyboard.press("Enter")
    await expect(seen.page.locator("#live")).to_be_visible()
    shop.pass_time(13 * 3600)
    await shop.see(1, None)
    await expect(seen.page.locator("#pin")).to_be_visible(timeout=20_000)
