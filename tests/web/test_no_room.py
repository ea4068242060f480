"""A box whose database is really full: shoppers and staff are told in words they understand."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from edge.errors import StorageFull
from edge.records import Moment, Stream
from edge.storage.connections import Room
from kiosk.session import NO_ROOM_SAID_S
from tests.web.shop import PIN, SNEAKER, Shop

NOW = Moment(1, 1, "boot", True)
RU = "Сейчас заказ принять нельзя: на устройстве закончилось место."
EN = "Orders cannot be taken at the moment: the box has no room left."


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[Shop]:
    async with Shop(tmp_path, room=Room(pages=256, reserve=16)) as opened:
        yield opened


async def fill(shop: Shop, stream: Stream, *, reserve: bool) -> None:
    """Emit smaller and smaller events until not even a small one finds room."""
    for size in (40_000, 2_000, 100, 1):
        body = "x" * size

        def emit(tx, body=body) -> None:
            tx.emit(stream, "filled.v1", body, NOW)

        with contextlib.suppress(StorageFull):
            while True:
                await shop.database.transact(emit, reserve=reserve)


async def test_an_order_that_finds_no_room_is_refused_in_clear_words(small):
    async with (
        httpx.AsyncClient(base_url=small.url) as web,
        httpx.AsyncClient(base_url=small.url) as tablet,
    ):
        await tablet.post("/staff/enter", data={"pin": PIN})
        await small.scan(SNEAKER)
        await web.post("/kiosk/main/add", data={"sku": "SOCKS-3"})
        await web.post("/kiosk/main/cart")
        await fill(small, Stream.VISIT, reserve=False)
        await fill(small, Stream.CRIT, reserve=True)
        assert RU not in (await web.get("/kiosk/main")).text
        assert RU not in (await tablet.get("/staff")).text
        await web.post("/kiosk/main/order")
        now = (await web.get("/api/kiosk/main")).json()
        assert (now["page"], now["order"], len(now["lines"])) == ("cart", "", 1)
        assert f"{RU} Обратитесь, пожалуйста, к продавцу." in (await web.get("/kiosk/main")).text
        assert f"{RU} Позовите, пожалуйста, техника." in (await tablet.get("/staff")).text
        await web.post("/kiosk/main/language", data={"language": "en"})
        assert EN in (await web.get("/kiosk/main")).text, "known at the cart, before another try"
        small.pass_time(NO_ROOM_SAID_S)
        assert EN not in (await web.get("/kiosk/main")).text
        await web.post("/kiosk/main/order")
        assert EN in (await web.get("/kiosk/main")).text
        last, _ = small.database.cursors()[Stream.VISIT]
        await small.database.transact(lambda tx: tx.acknowledge(Stream.VISIT, last))
        await web.post("/kiosk/main/order")
        assert (await web.get("/api/kiosk/main")).json()["order"] == "07-000001"
        assert RU not in (await tablet.get("/staff")).text


async def test_a_cart_is_filled_and_ordered_from_the_reserve(small):
    await fill(small, Stream.VISIT, reserve=False)
    async with httpx.AsyncClient(base_url=small.url) as web:
        for sku in ("SOCKS-3", "WIND3-RED-43", "WIND3-BLUE-42"):
            await web.post("/kiosk/main/add", data={"sku": sku})
        await web.post("/kiosk/main/order")
        assert (await web.get("/api/kiosk/main")).json()["order"] == "07-000001"
