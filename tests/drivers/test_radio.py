"""Setting a radio in the kernel, as far as a TAP device can be set: nl80211 knows none here."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from edge.errors import DeviceNotFound, WrongDevice
from hardware.netlink import Family
from hardware.radio import Radio, RadioState
from tests.conftest import ROOT
from tests.drivers.tap import NAME, Tap

GET_FAMILY, FAMILY_ID, FAMILY_NAME = 3, 1, 2
CONTROL = 16


@pytest.fixture
def tap() -> Iterator[Tap]:
    with Tap() as made:
        yield made


def test_the_kernel_is_asked_and_answers() -> None:
    with Family("nlctrl") as control:
        answer = control.ask(GET_FAMILY, {FAMILY_NAME: b"nlctrl\0"})
        assert int.from_bytes(answer[FAMILY_ID], sys.byteorder) == CONTROL
        with pytest.raises(FileNotFoundError):
            control.ask(GET_FAMILY, {FAMILY_NAME: b"no-such-family\0"})
        again = control.ask(GET_FAMILY, {FAMILY_NAME: b"nlctrl\0"})
        assert again[FAMILY_NAME] == b"nlctrl\0", "a refusal ends nothing"
    with pytest.raises(FileNotFoundError):
        Family("no-such-family")


def test_restarting_switches_off_and_on(tap: Tap) -> None:
    with Radio(NAME) as radio:
        assert tap.inside(radio.state) == RadioState(True, True, None, None)
        before = tap.switched()
        tap.inside(radio.arrange, None)
        assert tap.switched() == before
        tap.inside(radio.restart, None)
        assert tap.switched() == [*before, False, True]
        assert tap.sent() == b""


def test_a_channel_of_what_has_none(tap: Tap) -> None:
    with Radio(NAME) as radio, pytest.raises(WrongDevice, match=r"cannot be set \(channel 6\)"):
        tap.inside(radio.tune, 6)


def test_a_radio_that_is_not_there(tap: Tap) -> None:
    with Radio("wlan7") as radio:
        for attempt in (radio.state, lambda: radio.restart(6), lambda: radio.tune(6)):
            with pytest.raises(DeviceNotFound, match="There is no interface wlan7"):
                tap.inside(attempt)


def test_without_the_right_to_it_a_radio_is_heard_and_not_set(tap: Tap) -> None:
    program = f"""
from hardware.monitor import MonitorInterface
from hardware.radio import Radio
from edge.errors import DeviceError
with Radio("{NAME}") as radio:
    radio.arrange(None)
    try:
        radio.restart(None)
    except DeviceError as error:
        print(error)
with MonitorInterface("{NAME}") as monitor:
    print(monitor.frame())
"""
    words = ["setpriv", "--inh-caps=-net_admin", "--bounding-set=-net_admin"]
    run = lambda: subprocess.run(  # noqa: E731
        [*words, sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    done = tap.inside(run)
    assert done.returncode == 0, done.stderr
    refused, frame = done.stdout.splitlines()
    assert f"The radio {NAME} cannot be set (down): Operation not permitted." in refused
    assert "CAP_NET_ADMIN" in refused
    assert frame == "None"
