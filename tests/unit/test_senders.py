"""Who may send: the same names, addresses and mistakes for every sensor that listens at a port."""

import msgspec
import pytest

from edge.errors import ConfigError
from sensors.radius import RadiusOptions
from sensors.senders import SENDERS_MAX, by_address, require_named
from sensors.tzsp import TzspOptions


def test_an_address_is_the_same_however_it_is_written() -> None:
    written = {"hall": "FE80:0:0::1%eth0", "yard": "::ffff:192.168.88.1", "desk": "10.0.0.1"}
    named = {"fe80::1": "hall", "192.168.88.1": "yard", "10.0.0.1": "desk"}
    assert list(by_address(written).items()) == list(named.items())


@pytest.mark.parametrize("options", [RadiusOptions, TzspOptions])
@pytest.mark.parametrize(
    ("senders", "words"),
    [
        ({"a": "192.168.88.1", "b": "192.168.88.1"}, "senders a and b have the same address"),
        ({"a": "fe80::1", "b": "fe80:0:0::1"}, "senders a and b have the same address"),
        ({"a": "router.local"}, "address of sender a is no IP address"),
        ({str(n): f"10.0.0.{n}" for n in range(SENDERS_MAX + 1)}, "length <= 32"),
    ],
)
def test_senders_who_cannot_be_told_are_a_mistake_of_every_kind(
    options: type, senders: dict[str, str], words: str
) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        msgspec.convert({"senders": senders}, options)


def test_somebody_must_be_named() -> None:
    require_named({"hall": "10.0.0.1"})
    with pytest.raises(ConfigError, match="No sender is named"):
        require_named({})
