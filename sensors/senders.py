"""Who may send to a sensor that listens at a port: every sender has a name and one address.

Used by the options of `tzsp` and `radius`: `senders = { hall = "192.168.88.1" }`. TZSP knows no
password and RADIUS one for all, so that whoever is not named does not count.
"""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from edge.errors import ConfigError
from edge.records import Short
from hardware.endpoint import plain

SENDERS_MAX = 32
"""Routers and access points of one shop; each may have a buffer of its own."""

Senders = Annotated[dict[Short, Short], Meta(max_length=SENDERS_MAX)]
"""Addresses by name, as they are written in the configuration."""


def by_address(senders: Mapping[str, str]) -> dict[str, str]:
    """The senders' names by their addresses, each in its one plain spelling and in their order.

    ValueError, which msgspec hands on as its own, if one has no address or two have the same.
    """
    names: dict[str, str] = {}
    for name, written in senders.items():
        try:
            address = plain(written)
        except ValueError as error:
            raise ValueError(f"the address of sender {name} is no IP address") from error
        if address in names:
            raise ValueError(f"the senders {names[address]} and {name} have the same address")
        names[address] = name
    return names


def require_named(senders: Mapping[str, str]) -> None:
    """ConfigError if nobody is named: nothing that comes could count."""
    if not senders:
        raise ConfigError(
            "No sender is named whose datagrams count.",
            "Name each in `senders = { NAME = ADDRESS }`.",
        )
