"""What the tests of the pages of enrolment share: who agrees how, and what came of it."""

import re
from html import unescape

import httpx
import msgspec

from edge.presence.capture import Stage
from edge.records import ConsentKind, Stream
from edge.storage import templates
from kiosk.twins import NO
from kiosk.words import Words
from tests.web.shop import ANNA, CARD, PIN, Shop

RU = Words("ru", "RUB")
HERS = 0.1
TICKS = {"agreed": "yes", "adult": "yes"}


async def screen(web: httpx.AsyncClient) -> str:
    return unescape((await web.get("/kiosk/main")).text)


async def version(web: httpx.AsyncClient, path: str = "/kiosk/main") -> str:
    found = re.search(r'name="version" value="([^"]+)"', (await web.get(path)).text)
    assert found is not None
    return found[1]


async def begin(shop: Shop, web: httpx.AsyncClient, card: str = CARD) -> None:
    """The member has shown the card, has no twin, has read the text and agreed."""
    await shop.scan(card)
    await web.post("/kiosk/main/face/open")
    await web.post("/kiosk/main/face/answer", data={"twin": NO})
    shop.camera_asked.clear()
    await web.post("/kiosk/main/face/agree", data={"version": await version(web), **TICKS})
    await shop.camera_asked.wait()


def stage(shop: Shop) -> Stage | None:
    capture = shop.enrolment.at("main")
    return capture.stage if capture else None


def told(shop: Shop) -> list[tuple[str, dict]]:
    waiting = shop.database.backlog.events(Stream.CRIT, 0, 100)
    return [(event.type, msgspec.json.decode(event.body)) for event in waiting]


def owners(shop: Shop) -> frozenset[str]:
    return templates.owners(shop.database.reading)


def nothing_of_a_face(shop: Shop) -> None:
    """Nothing was agreed to, looked at or stored, and nothing of it is under way."""
    assert (told(shop), stage(shop), shop.camera_asked.is_set()) == ([], None, False)
    assert owners(shop) == frozenset()
    assert not shop.presence.member(ANNA.id).agreed(ConsentKind.FACE)


async def sign_in(web: httpx.AsyncClient) -> None:
    assert (await web.post("/staff/enter", data={"pin": PIN})).status_code == 303
