"""Tells boxes what to do: signs commands, sends them in order, and again until they are taken.

`order` is called by `storebox platform command`, the rest by the running platform. A box takes
commands only by rising counters, so whatever is sent begins with the first that it lacks. A command
that was lost on the way while a later one arrived gets a new counter. What a command does is the
box's business (`sync/commands.py`); there is no shell.
"""

import secrets
from collections.abc import Iterator
from typing import Any

import msgspec

from edge.errors import Refused
from edge.records import Stream
from sync.commands import ACTIONS
from sync.ingest import wall_ms
from sync.ingest.commands import Commands, Sign
from sync.messages import Address, Hello
from sync.reference.downward import Outgoing
from sync.signing import SigningKey
from sync.spoken import ARGUMENTS_BYTES_MAX, Command, CommandType

VALID_S = 24 * 3600
"""How long a box may take a command, unless said otherwise."""
NEVER_EXPIRE = frozenset({CommandType.ERASE_MEMBER})
"""Whoever asked to be forgotten is forgotten, however long the box was off line."""


class Commander:
    """Signs with `key` what is written into `commands`."""

    def __init__(self, commands: Commands, key: SigningKey) -> None:
        self._commands = commands
        self._key = key

    def order(
        self, address: Address, type_: str, args: dict[str, Any], *, valid_s: int = VALID_S
    ) -> str:
        """Write down a command; its id. The running platform sends it.

        Refused if it is none, or if the arguments are not what a box takes: it would refuse them
        much later, when nobody looks.
        """
        if type_ not in set(CommandType):
            raise Refused(
                f"{type_!r} is no command.", f"There are: {', '.join(sorted(CommandType))}."
            )
        try:
            msgspec.convert(args, ACTIONS[type_])
        except msgspec.ValidationError as error:
            known = ", ".join(ACTIONS[type_].__struct_fields__) or "none"
            raise Refused(
                f"The arguments do not fit {type_}: {error}.", f"It takes: {known}."
            ) from error
        if len(msgspec.json.encode(args)) > ARGUMENTS_BYTES_MAX:
            raise Refused("The arguments are too large.", f"At most {ARGUMENTS_BYTES_MAX} bytes.")
        now_s = wall_ms() // 1000
        expires_s = 0 if type_ in NEVER_EXPIRE else now_s + valid_s
        command = Command(
            v=1,
            id=secrets.token_hex(8),
            box=str(address),
            type=type_,
            args=args,
            iat=now_s,
            exp=expires_s,
            counter=1,
        )
        self._commands.append(
            address, (command.id, type_, expires_s), lambda n: self._signed(command, n)
        )
        return command.id

    def on_hello(self, address: Address, hello: Hello, crit_upto: int) -> Iterator[Outgoing]:
        """What the box lacks; `crit_upto` is up to where its crit is committed here."""
        now_s = wall_ms() // 1000
        told_all = Stream.CRIT in hello.streams and crit_upto >= hello.streams[Stream.CRIT].last
        if told_all:
            for payload in self._commands.skipped(address, hello.commands, now_s):
                command = msgspec.json.decode(payload, type=Command)
                self._commands.renumber(address, command.id, self._resigner(command))
        yield from self._from(address, hello.commands, undone=False)

    def new(self) -> Iterator[Outgoing]:
        """What was ordered since the last time for boxes that are on line."""
        for address, taken in self._commands.to_be_sent():
            yield from self._from(address, taken, undone=True)

    def _from(self, address: Address, counter: int, *, undone: bool) -> Iterator[Outgoing]:
        while page := self._commands.after(address, counter, undone=undone):
            yield from ((address.command, payload, False) for _, payload in page)
            counter, _ = page[-1]

    def _resigner(self, command: Command) -> Sign:
        return lambda counter: self._signed(command, counter)

    def _signed(self, command: Command, counter: int) -> bytes:
        numbered = msgspec.structs.replace(command, counter=counter, kid="", sig="")
        message = msgspec.to_builtins(numbered)
        return msgspec.json.encode(self._key.signed(message))
