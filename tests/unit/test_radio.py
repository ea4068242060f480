"""How a radio is set: what is to be done, and which bytes say so to the kernel."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from hardware import netlink
from hardware.radio import RadioState, Step, mhz_of, mode_and_mhz, steps
from sensors.radar.listening import share

states = st.builds(
    RadioState,
    up=st.booleans(),
    connected=st.booleans(),
    monitor=st.booleans(),
    mhz=st.sampled_from([None, 2412, 2437]),
)
wishes = st.sampled_from([None, 2437])


def done(state: RadioState, wanted: tuple[Step, ...], mhz: int | None) -> RadioState:
    """A radio after the steps; it refuses what the kernel refuses."""
    for step in wanted:
        match step:
            case Step.DOWN | Step.UP:
                state = state._replace(up=step is Step.UP)
            case Step.MONITOR:
                assert not state.up, "the kernel changes the mode only while it is down"
                state = state._replace(monitor=True, mhz=None)
            case Step.CHANNEL:
                assert state.up
                assert state.monitor
                state = state._replace(mhz=mhz)
    return state


@given(states, wishes, st.booleans())
def test_the_steps_lead_where_they_should(state: RadioState, mhz: int | None, afresh: bool) -> None:
    after = done(state, steps(state, mhz, afresh=afresh), mhz)
    assert after.up
    assert after.monitor
    assert mhz in (None, after.mhz)
    assert steps(after, mhz) == (), "what is so already is left alone"


@given(states, wishes)
def test_afresh_is_really_from_the_beginning(state: RadioState, mhz: int | None) -> None:
    assert steps(state, mhz, afresh=True)[:3] == (Step.DOWN, Step.MONITOR, Step.UP)


@pytest.mark.parametrize("up", [True, False])
def test_what_is_no_radio_is_left_alone_unless_it_is_to_be_restarted(up: bool) -> None:
    """A wired interface named by mistake must not be switched on."""
    wired = RadioState(up, connected=True, monitor=None, mhz=None)
    assert steps(wired, None) == ()
    assert steps(wired, None, afresh=True) == (Step.DOWN, Step.UP)


@pytest.mark.parametrize(
    ("channel", "mhz"), [(1, 2412), (6, 2437), (13, 2472), (14, 2484), (36, 5180), (165, 5825)]
)
def test_the_middle_of_a_channel(channel: int, mhz: int) -> None:
    assert mhz_of(channel) == mhz


def test_the_bytes_that_set_a_channel() -> None:
    """NL80211_CMD_SET_WIPHY (2), IFINDEX (3) 7, WIPHY_FREQ (38) 2437, by linux/nl80211.h."""
    asked = netlink.request(
        28, 2, {3: (7).to_bytes(4, "little"), 38: (2437).to_bytes(4, "little")}, 9
    )
    assert asked == bytes.fromhex(
        "24000000" "1c00" "0500" "09000000" "00000000"  # length, family, REQUEST|ACK, number
        "02010000"  # command, version
        "08000300" "07000000"
        "08002600" "85090000"
    )  # fmt: skip


def test_an_attribute_is_padded_and_read_again() -> None:
    body = netlink.request(28, 5, {2: b"wlan1\0", 5: b"\6\0\0\0"}, 1)[20:]
    assert len(body) == 12 + 8
    assert netlink.read(body) == {2: b"wlan1\0", 5: b"\6\0\0\0"}


@given(st.binary(max_size=200))
def test_a_damaged_answer_is_read_as_far_as_it_goes(body: bytes) -> None:
    assert sum(map(len, netlink.read(body).values())) <= len(body)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({5: b"\6\0\0\0", 38: b"\x85\x09\0\0"}, (True, 2437)),
        ({5: b"\2\0\0\0"}, (False, None)),
        ({}, (False, None)),
    ],
)
def test_mode_and_channel_of_an_answer(
    answer: netlink.Attributes, found: tuple[bool, int | None]
) -> None:
    assert mode_and_mhz(answer) == found


@given(st.integers(1, 3), st.lists(st.integers(1, 14), min_size=3, max_size=9, unique=True))
def test_every_channel_has_one_radio(radios: int, channels: list[int]) -> None:
    shared = share([f"wlan{number}" for number in range(radios)], channels)
    assert sorted(itertools.chain(*(mine for _, mine in shared))) == sorted(channels)
    assert all(mine for _, mine in shared)
    assert max(len(mine) for _, mine in shared) - min(len(mine) for _, mine in shared) <= 1


def test_radios_without_channels_stay_where_they_are() -> None:
    assert share(["wlan1", " wlan2"], []) == (("wlan1", ()), ("wlan2", ()))
    assert share(["wlan1"], [1, 6, 11]) == (("wlan1", (1, 6, 11)),)


@pytest.mark.parametrize("name", ["", "a b", "../x", "wlan\0", "sixteencharacter"])
def test_a_name_that_is_no_interface(name: str) -> None:
    with pytest.raises(ConfigError, match="no interface name"):
        share([name], [])
