"""The screens without a browser: who stands there, what they see, and how they are forgotten."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.errors import ConfigError, Refused
from edge.presence.requests import Answer, Found
from kiosk.session import ADDED, NOT_FOUND, REPRICED, WELCOME, Screens
from kiosk.settings import KioskSettings
from kiosk.state import CODE_SHOWN_MAX, Page
from tests.web.shop import ANNA, CARD, HOSTILE, SETTINGS, SNEAKER, Shop

BLUE_42 = "WIND3-BLUE-42"
IDLE_S, WARNING_S = SETTINGS.idle_s, SETTINGS.warning_s


async def until(true: Callable[[], bool], deadline_s: float = 5) -> None:
    async with asyncio.timeout(deadline_s):
        while not true():
            await asyncio.sleep(0.005)


async def idle(shop: Shop, seconds: float) -> None:
    """Time passes, and the watcher has looked at it."""
    shop.pass_time(seconds)
    for _ in range(20):
        await asyncio.sleep(0)


def page(shop: Shop) -> Page:
    return shop.screens.state("main").page


@pytest.fixture
async def member_shop(shop: Shop) -> Shop:
    await shop.enrol()
    return shop


async def test_a_scan_shows_the_product(shop):
    assert page(shop) is Page.ATTRACT
    await shop.scan(SNEAKER)
    assert (page(shop), shop.screens.state("main").sku) == (Page.PRODUCT, BLUE_42)
    await shop.scan("36000291452".zfill(13))  # an UPC-A, as some scanners send it
    assert shop.screens.state("main").sku == "SOCKS-3"


async def test_an_unknown_code_is_shown_and_left_again(shop):
    await shop.scan(SNEAKER)
    await shop.scan("?" * 300)
    state = shop.screens.state("main")
    assert (state.page, len(state.code)) == (Page.UNKNOWN, CODE_SHOWN_MAX)
    await shop.screens.back("main")
    assert page(shop) is Page.PRODUCT
    await shop.screens.back("main")
    assert page(shop) is Page.ATTRACT


async def test_a_card_greets_and_gives_the_members_price(member_shop):
    shop = member_shop
    await shop.scan(SNEAKER)
    await shop.screens.add("main", BLUE_42)
    assert shop.screens.state("main").notice == (ADDED,)
    await shop.scan(CARD)
    assert page(shop) is Page.PRODUCT
    assert shop.screens.state("main").notice == (WELCOME,)
    assert shop.screens.member("main").id == ANNA.id
    assert shop.ordering.cart("main")[0].unit_price_minor == 1099000
    await shop.screens.not_me("main")
    assert shop.screens.member("main") is None
    assert shop.ordering.cart("main")[0].unit_price_minor == 1299000


async def test_nobody_is_greeted_for_being_seen(member_shop):
    await member_shop.see(1, 0.1)
    assert member_shop.presence.here()[0].member == ANNA.id
    await member_shop.scan(SNEAKER)
    assert member_shop.screens.member("main") is None


async def test_its_me_asks_the_camera_and_greets(member_shop):
    shop = member_shop
    asking = asyncio.create_task(shop.screens.its_me("main"))
    await shop.camera_asked.wait()
    assert shop.screens.state("main").looking
    await shop.scan(SNEAKER)  # the scanner works meanwhile
    await shop.see(1, 0.1, camera="camera-main")
    await asking
    assert shop.screens.member("main").id == ANNA.id
    assert page(shop) is Page.PRODUCT
    assert not shop.screens.state("main").looking


async def test_a_late_answer_does_not_reach_the_next_person(member_shop):
    shop = member_shop
    asking = asyncio.create_task(shop.screens.its_me("main"))
    await shop.camera_asked.wait()
    await shop.screens.finish("main")
    await shop.see(1, 0.1, camera="camera-main")
    await asking
    assert shop.screens.member("main") is None


class Nobody:
    """A presence whose camera recognises nobody."""

    def here(self):
        return []

    def member(self, member):
        return None

    def __init__(self, found):
        self.found = found

    async def its_me(self, screen):
        return Answer(self.found)

    def add_listener(self, listener):
        pass


class Looking(Nobody):
    """A presence that looks until it is told to stop."""

    def __init__(self):
        self.looks = asyncio.Event()
        self.stopped = False

    async def its_me(self, screen):
        self.looks.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped = True


@pytest.mark.parametrize("end", ["finish", "not_me"])
async def test_nobody_is_looked_for_on_the_request_of_who_has_gone(shop, end):
    presence = Looking()
    screens = Screens(shop.ordering, presence, shop.clock, SETTINGS)
    asking = asyncio.create_task(screens.its_me("main"))
    await presence.looks.wait()
    await screens.speak("main", "en")  # whoever asked may go on using the screen
    assert not presence.stopped
    await getattr(screens, end)("main")
    assert presence.stopped
    await asyncio.wait_for(asking, 5)


@pytest.mark.parametrize("found", [found for found in Found if found is not Found.MEMBER])
async def test_who_is_not_recognised_is_told_another_way(shop, found):
    screens = Screens(shop.ordering, Nobody(found), shop.clock, SETTINGS)
    await screens.its_me("main")
    assert screens.state("main").notice == (NOT_FOUND[found],)
    assert "card" in NOT_FOUND[found]


async def test_an_order_has_a_number_and_a_double_tap_places_one(member_shop):
    shop = member_shop
    await shop.scan(CARD)
    await shop.screens.add("main", BLUE_42)
    first, second = await asyncio.gather(shop.screens.place("main"), shop.screens.place("main"))
    assert first.number == second.number == "07-000001"
    assert first.member == ANNA.id
    assert shop.screens.state("main").order == "07-000001"
    assert len(shop.ordering.latest_orders()) == 1


async def test_after_an_order_whoever_scans_next_is_nobody(member_shop):
    shop = member_shop
    await shop.scan(CARD)
    await shop.screens.speak("main", "en")
    await shop.screens.add("main", BLUE_42)
    await shop.screens.place("main")
    await shop.scan(HOSTILE)
    state = shop.screens.state("main")
    assert (state.page, state.member, state.order) == (Page.PRODUCT, "", "")
    assert state.language == "en"


async def test_an_empty_cart_is_refused_kindly(shop):
    await shop.screens.open_cart("main")
    assert await shop.screens.place("main") is None
    assert shop.screens.state("main").notice == (
        "The cart is empty.",
        "Scan something first, please.",
    )
    await shop.scan(SNEAKER)
    assert shop.screens.state("main").notice == ()


async def test_who_withdraws_disappears_and_pays_the_ordinary_price(member_shop):
    shop = member_shop
    await shop.scan(CARD)
    await shop.screens.add("main", BLUE_42)
    await shop.withdraw(ANNA)
    assert shop.screens.member("main") is None
    assert await shop.screens.place("main") is None
    assert shop.screens.state("main").notice == REPRICED
    order = await shop.screens.place("main")
    assert (order.total_minor, order.member) == (1299000, None)


async def test_idle_warns_and_then_wipes_everything(member_shop):
    shop = member_shop
    await shop.scan(CARD)
    await shop.scan(SNEAKER)
    await shop.screens.add("main", BLUE_42)
    await shop.screens.speak("main", "en")
    person = shop.screens.state("main").person
    await idle(shop, IDLE_S - 1)
    assert shop.screens.warning_left_s("main") is None
    await idle(shop, 1)
    assert shop.screens.warning_left_s("main") == WARNING_S
    await idle(shop, WARNING_S - 1)
    assert shop.screens.member("main") is not None
    await idle(shop, 1)
    await until(lambda: not shop.ordering.cart("main"))
    state = shop.screens.state("main")
    assert (state.page, state.language, state.person) == (Page.ATTRACT, "ru", person + 1)
    assert (state.member, state.sku, state.order, state.code) == ("", "", "", "")


async def test_any_input_extends(shop):
    await shop.scan(SNEAKER)
    for _ in range(12):
        await idle(shop, IDLE_S)
        assert shop.screens.warning_left_s("main") is not None
        await idle(shop, WARNING_S - 1)
        shop.screens.awake("main")
        assert shop.screens.warning_left_s("main") is None
    assert page(shop) is Page.PRODUCT


async def test_a_resting_screen_does_nothing(shop):
    await idle(shop, 3600)
    assert shop.screens.state("main").person == 0
    assert shop.screens.warning_left_s("main") is None


async def test_after_a_restart_the_cart_is_there_and_its_owner_is_not(tmp_path: Path):
    async with Shop(tmp_path) as shop:
        await shop.enrol()
        await shop.scan(CARD)
        await shop.screens.add("main", BLUE_42)
    async with Shop(tmp_path) as shop:
        await until(lambda: page(shop) is Page.CART)
        (line,) = shop.ordering.cart("main")
        assert line.unit_price_minor == 1299000
        await idle(shop, IDLE_S)
        await idle(shop, WARNING_S)
        await until(lambda: not shop.ordering.cart("main"))
        assert page(shop) is Page.ATTRACT


async def test_screens_do_not_know_each_other(tmp_path: Path):
    async with Shop(tmp_path, replace(SETTINGS, screens=("main", "second"))) as shop:
        await shop.scan(SNEAKER)
        assert shop.screens.state("second").page is Page.ATTRACT
        with pytest.raises(Refused, match="There is no screen 'third'"):
            await shop.screens.scanned("third", SNEAKER, None)


async def test_an_unknown_language_changes_nothing(shop):
    await shop.screens.speak("main", "xx")
    assert shop.screens.state("main").language == "ru"


def test_settings_that_would_hurt_are_refused():
    with pytest.raises(ConfigError, match="too short"):
        KioskSettings(warning_s=10)
    with pytest.raises(ConfigError):
        KioskSettings(screens=())
