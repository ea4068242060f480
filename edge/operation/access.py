"""What this box holds on one phone's address: the answer to a person who asks for it.

Computed from a list of keepers, each of which says under which mark it would know the address and
what it holds under that mark. Asked by `storebox wifi access`, of the daemon or of its database
while it is dead. The command makes the marks in its own process: no address comes here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec import Struct

from edge.control import Question, question
from edge.errors import Refused
from edge.operation.lifetimes import ADDRESS_BITS, BINDING_DAYS, EQUIPMENT_H, KEY_H, NAMES_MIN
from edge.storage import bindings, opted_out
from edge.storage.outbox import Executes
from edge.storage.vault import Vault
from hardware.address import address_of
from sensors.radar.marks import opt_out_mark


@dataclass(frozen=True, slots=True)
class Keeper:
    """Whatever could hold something on an address: a list, a table, the radars.

    `mark` is what stands for the address there, `look` says in a sentence what is held under a
    mark, or nothing. `keeps` is for the person who asks: what is kept here of anybody.
    """

    name: str
    keeps: str
    mark: Callable[[Vault, bytes], bytes]
    look: Callable[[Executes, bytes], str]


def _in_opt_outs(connection: Executes, mark: bytes) -> str:
    since_ms = opted_out.since_ms(connection, mark)
    if since_ms is None:
        return ""
    return f"It is on the list of those who are not counted, since {_day(since_ms)}."


def _in_bindings(connection: Executes, mark: bytes) -> str:
    until_ms = bindings.bound_until_ms(connection, mark)
    if until_ms is None:
        return ""
    return (
        f"It belongs to a member who agreed to be known by it, until {_day(until_ms)}; the address"
        " itself is sealed with that member's key."
    )


def _day(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).date().isoformat()


KEEPERS = (
    Keeper(
        "radars",
        f"They keep no address. A phone is a number of {ADDRESS_BITS} bits within one count, under"
        f" a key that is in memory only and replaced every {KEY_H} hours; after the count the"
        f" number is gone. Of an address that a maker gave, {ADDRESS_BITS} bits of a hash under a"
        f" key of the sensor's own stay in its memory for {EQUIPMENT_H} hours at most, to leave"
        " machines out. A technician who looks at what is heard sees made-up names, which hold for"
        f" {NAMES_MIN} minutes at most.",
        mark=lambda vault, address: b"",
        look=lambda connection, mark: "",
    ),
    Keeper(
        "opt-outs",
        "Of those who asked not to be counted, a keyed hash of the address and the date.",
        mark=lambda vault, address: opt_out_mark(address, vault.opt_out_key),
        look=_in_opt_outs,
    ),
    Keeper(
        "members",
        "Of members who agreed to it, the phone they logged in to the Wi-Fi with: a keyed hash,"
        " the address sealed with their own key and whether it was seen to be theirs, for"
        f" {BINDING_DAYS} days after each login.",
        mark=lambda vault, address: vault.address_mark(address),
        look=_in_bindings,
    ),
)
"""Everywhere an address could be known. Whoever keeps something under one is added here."""


class Held(Struct, frozen=True):
    """What one keeper holds; `place` is its name."""

    place: str
    what: str


class AccessAnswer(Struct, frozen=True):
    """The answer to `access`: all that is held, and where it was looked for."""

    held: tuple[Held, ...]
    looked: tuple[str, ...]


def parsed_address(text: str) -> bytes:
    """The six bytes of an address in any usual spelling. Refused if it is none.

    The error does not repeat what was typed: it may be most of an address.
    """
    address = address_of(text)
    if not address:
        raise Refused(
            "That is no address of a phone.",
            "Type its twelve hexadecimal digits, such as 3c:06:30:aa:bb:cc. The phone shows it"
            " among the details of the shop's Wi-Fi.",
        )
    return address


def marks(vault: Vault, address: bytes, keepers: Iterable[Keeper] = KEEPERS) -> dict[str, bytes]:
    """What stands for `address` with each keeper."""
    return {keeper.name: keeper.mark(vault, address) for keeper in keepers}


def looked_up(
    connection: Executes, marked: Mapping[str, bytes], keepers: Iterable[Keeper] = KEEPERS
) -> AccessAnswer:
    """What each keeper holds. Refused if one is not asked about: half an answer is none."""
    held, looked = [], []
    for keeper in keepers:
        if keeper.name not in marked:
            raise Refused(
                f"The question says nothing about the keeper '{keeper.name}'.",
                "Use the storebox command of the daemon's version.",
            )
        looked.append(keeper.name)
        if what := keeper.look(connection, marked[keeper.name]):
            held.append(Held(keeper.name, what))
    return AccessAnswer(tuple(held), tuple(looked))


class _Marked(Struct, frozen=True, forbid_unknown_fields=True):
    marks: dict[str, bytes]


def questions(connection: Executes) -> dict[str, Question]:
    """`access`, for the control socket."""
    return {"access": question(_Marked, lambda asked: looked_up(connection, asked.marks))}
