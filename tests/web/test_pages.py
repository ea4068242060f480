"""The pages over HTTP, from a real server: what they say, refuse and reveal."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from kiosk.guard import SECURITY_HEADERS
from kiosk.pin import TRIES_MAX
from kiosk.settings import BODY_BYTES_MAX
from kiosk.staff import COOKIE, SESSION_IDLE_S, SESSION_S, SESSIONS_MAX
from tests.web.shop import (
    ANNA,
    CARD,
    HOSTILE,
    HOSTILE_TITLE,
    PIN,
    SETTINGS,
    SNEAKER,
    SOLD_OUT,
    Shop,
)

NBSP = "\xa0"


@pytest.fixture
async def web(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=shop.url) as client:
        yield client


async def told(web: httpx.AsyncClient) -> dict:
    return (await web.get("/api/kiosk/main")).json()


async def test_the_whole_way_with_plain_forms(shop, web):
    assert (await web.get("/")).headers["location"] == "/kiosk/main"
    await shop.scan(SNEAKER)
    html = (await web.get("/kiosk/main")).text
    for expected in ("Кроссовки беговые", f"12{NBSP}990{NBSP}₽", "3 здесь", "под заказ", "Склад"):
        assert expected in html
    assert '<html lang="ru">' in html
    answer = await web.post("/kiosk/main/choose", data={"sku": "WIND3-RED-43"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/kiosk/main")
    assert (await told(web))["product"] == "WIND3-RED-43"
    await web.post("/kiosk/main/add", data={"sku": "WIND3-RED-43"})
    await web.post("/kiosk/main/add", data={"sku": "SOCKS-3"})
    await web.post("/kiosk/main/remove", data={"sku": "SOCKS-3"})
    await web.post("/kiosk/main/cart")
    assert (await told(web))["total_minor"] == 1299000
    await web.post("/kiosk/main/order")
    now = await told(web)
    assert (now["page"], now["order"], now["lines"]) == ("ordered", "07-000001", [])
    assert "07-000001" in (await web.get("/kiosk/main")).text
    await web.post("/kiosk/main/finish")
    assert (await told(web))["page"] == "attract"


async def test_english_and_back(web, shop):
    await shop.scan(SNEAKER)
    await web.post("/kiosk/main/language", data={"language": "en"})
    html = (await web.get("/kiosk/main")).text
    assert '<html lang="en">' in html
    assert "Wind 3 running shoes" in html
    assert "₽12,990" in html
    assert "4 minutes ago" in html


async def test_a_member_is_called_by_first_name_only(shop, web):
    await shop.enrol()
    await shop.scan(SNEAKER)
    assert "Анна" not in (await web.get("/kiosk/main")).text
    await shop.scan(CARD)
    html = (await web.get("/kiosk/main")).text
    assert "Здравствуйте, Анна!" in html
    assert "Петрова" not in html
    assert CARD not in html
    assert (await told(web))["member"] == "Анна"
    await web.post("/kiosk/main/not-me")
    assert (await told(web))["member"] == ""


async def test_a_hostile_title_is_only_text(shop, web):
    await shop.scan(HOSTILE)
    html = (await web.get("/kiosk/main")).text
    assert HOSTILE_TITLE not in html
    assert "&lt;script&gt;" in html
    await shop.scan("<b>code</b>")
    assert "<b>code" not in (await web.get("/kiosk/main")).text


async def test_sold_out_everywhere_cannot_be_added_from_its_page(shop, web):
    await shop.scan(SOLD_OUT)
    html = (await web.get("/kiosk/main")).text
    assert "Нигде нет в наличии" in html
    assert "/kiosk/main/add" not in html


async def test_every_answer_carries_the_headers(web):
    for path in ("/", "/kiosk/main", "/staff", "/static/look.css", "/healthz", "/nothing"):
        headers = (await web.get(path)).headers
        assert {name: headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "unsafe" not in SECURITY_HEADERS["Content-Security-Policy"]
    assert (await web.get("/kiosk/main")).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "10.0.0.1", "", "[::1"])
async def test_a_foreign_name_is_refused(web, host):
    assert (await web.get("/kiosk/main", headers={"Host": host})).status_code == 421


@pytest.mark.parametrize("host", ["localhost:9", "127.0.0.1", "LOCALHOST", "[::1]:8480"])
async def test_our_names_are_accepted(web, host):
    assert (await web.get("/kiosk/main", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_form_of_another_site_does_nothing(shop, web, headers):
    await shop.scan(SNEAKER)
    for path in ("/kiosk/main/finish", "/staff/enter", "/staff/leave"):
        answer = await web.post(path, headers=headers, data={"pin": PIN})
        assert answer.status_code == 403
    assert (await told(web))["page"] == "product"


async def test_limits_of_forms(web):
    long = "x" * BODY_BYTES_MAX
    assert (await web.post("/kiosk/main/add", data={"sku": long})).status_code == 413
    assert (await web.post("/kiosk/main/add", data={"sku": "x" * 200})).status_code == 422
    assert (await web.post("/kiosk/main/add", data={})).status_code == 422

    async def pieces() -> AsyncIterator[bytes]:
        yield b"sku=SOCKS-3"

    assert (await web.post("/kiosk/main/add", content=pieces())).status_code == 411


async def test_what_is_not_there(web):
    for path in ("/kiosk/other", "/live/kiosk/other", "/api/kiosk/other", "/static/../app.py"):
        assert (await web.get(path)).status_code == 404
    for path in ("/docs", "/redoc", "/static/%2e%2e/app.py"):
        assert (await web.get(path)).status_code == 404


async def test_static_files_are_not_sent_twice(web):
    first = await web.get("/static/look.css")
    again = await web.get("/static/look.css", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")


# --- staff


async def sign_in(web: httpx.AsyncClient, pin: str = PIN) -> httpx.Response:
    return await web.post("/staff/enter", data={"pin": pin})


async def test_the_cookie_is_for_this_site_and_no_script(web):
    cookie = (await sign_in(web)).headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    for part in ("HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={SESSION_S}"):
        assert part in cookie
    assert (await web.get("/staff")).status_code == 200


async def test_wrong_pins_end_in_waiting(shop, web):
    for _ in range(TRIES_MAX - 1):
        assert (await sign_in(web, "9999x")).status_code == 403
    last = await sign_in(web, "9999x")
    assert (last.status_code, last.headers["retry-after"]) == (429, "30")
    assert "Повторите через 30 секунд." in last.text
    assert (await sign_in(web)).status_code == 429
    assert COOKIE not in web.cookies
    shop.pass_time(30)
    assert (await sign_in(web)).status_code == 303


async def test_nothing_of_the_shop_without_a_session(shop, web):
    await shop.enrol()
    await shop.see(1, 0.1)
    page = await web.get("/staff")
    assert "Анна" not in page.text
    assert (await web.get("/live/staff")).status_code == 401
    web.cookies.set(COOKIE, "guessed")
    assert "Анна" not in (await web.get("/staff")).text
    assert (await web.get("/live/staff")).status_code == 401


async def test_staff_see_members_with_reasons_and_others_as_a_number(shop, web):
    await shop.enrol()
    await shop.see(1, 0.1)
    await shop.see(2, None)
    await shop.see(3, 0.9)  # a face of nobody we know
    shop.pass_time(12 * 60)
    await sign_in(web)
    html = (await web.get("/staff")).text
    for expected in ("Петрова Анна Сергеевна", "Gold", "Running", f"99,9{NBSP}%", "12 минут"):
        assert expected in html
    assert "Лицо, камера door, кадров: 3" in html
    assert 'id="anonymous-here"><strong>2</strong>' in html
    await web.post("/staff/language", data={"language": "en"})
    assert "Face at door, frames: 3" in (await web.get("/staff")).text


async def test_staff_see_the_orders_of_today(shop, web):
    await shop.enrol()
    await shop.scan(CARD)
    await shop.screens.add("main", "SOCKS-3")
    await shop.screens.place("main")
    await sign_in(web)
    html = (await web.get("/staff")).text
    assert "07-000001" in html
    assert ANNA.name in html
    shop.pass_time(23 * 3600)
    await sign_in(web)
    assert "07-000001" not in (await web.get("/staff")).text


@pytest.mark.parametrize("seconds", [SESSION_IDLE_S + 1, SESSION_S + 1])
async def test_a_session_ends_by_itself(shop, web, seconds):
    await sign_in(web)
    shop.pass_time(seconds)
    assert (await web.get("/live/staff")).status_code == 401


async def test_a_session_ends_with_the_shift_however_busy(shop, web):
    await sign_in(web)
    for _ in range(SESSION_S // 3600):
        shop.pass_time(3600)
        assert "/staff/leave" in (await web.get("/staff")).text
    shop.pass_time(1)
    assert "/staff/leave" not in (await web.get("/staff")).text


async def test_signing_out_ends_it_at_once(web):
    await sign_in(web)
    stolen = web.cookies[COOKIE]
    await web.post("/staff/leave")
    web.cookies.set(COOKIE, stolen)
    assert "/staff/leave" not in (await web.get("/staff")).text


async def test_only_so_many_tablets(shop, web):
    await sign_in(web)
    first = web.cookies[COOKIE]
    for _ in range(SESSIONS_MAX):
        async with httpx.AsyncClient(base_url=shop.url) as other:
            await sign_in(other)
    web.cookies.set(COOKIE, first)
    assert "/staff/leave" not in (await web.get("/staff")).text


async def test_without_a_pin_the_staff_page_stays_closed(tmp_path: Path):
    async with (
        Shop(tmp_path, replace(SETTINGS, staff_pin_hash="")) as shop,
        httpx.AsyncClient(base_url=shop.url) as web,
    ):
        assert "ПИН-код персонала ещё не задан" in (await web.get("/staff")).text
        assert (await sign_in(web, "anything")).status_code == 403


async def test_screens_answer_other_machines_only_if_told_to(shop):
    for remote, status in ((False, 403), (True, 200)):
        settings = replace(SETTINGS, remote_screens=remote, host_names=("box",))
        app = shop.application(settings)
        far = httpx.ASGITransport(app, client=("192.168.1.9", 50000))
        async with httpx.AsyncClient(transport=far, base_url="http://box") as web:
            assert (await web.get("/kiosk/main")).status_code == status
            assert (await web.get("/api/kiosk/main")).status_code == status
            assert (await web.get("/staff")).status_code == 200
