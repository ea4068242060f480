"""The staff PIN: its hash in a file, and a gate that counts wrong tries.

`set_pin` is called by the command line, `read_pin` by the daemon, `Gate` by the staff page. A PIN
is never logged, and its hash leaves the file only into memory. Argon2id after RFC 9106; the cost
is chosen for a core of 120 MB: 7 MiB, which stay with the process, one PIN at a time.
"""

import asyncio
import os
from collections import OrderedDict
from concurrent.futures import Executor
from enum import StrEnum
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from msgspec import Struct

from edge.clock import Clock
from edge.errors import ConfigError, Refused

PIN_LENGTH_MIN = 4
PIN_LENGTH_MAX = 64
"""A longer text is no PIN, and hashing it would be work for nothing."""
TRIES_MAX = 5
"""Wrong PINs of one client until it has to wait."""
TRIES_TOTAL_MAX = 20
"""Wrong PINs of all clients together until everybody has to wait."""
BACK_OFF_S = 30.0
BACK_OFF_S_MAX = 15 * 60.0
"""The wait doubles with each further wrong PIN, up to this."""
FORGIVEN_S = 60 * 60.0
"""After so long without a wrong PIN the counting starts anew."""
CLIENTS_MAX = 256
"""Clients whose tries are remembered; the total still counts who is forgotten."""
CHECKS_WAITING_MAX = 4

_hasher = PasswordHasher(time_cost=5, memory_cost=7 * 1024, parallelism=1)


def hash_pin(pin: str) -> str:
    """The argon2id hash of `pin`. Refused for what anybody would guess."""
    if not PIN_LENGTH_MIN <= len(pin) <= PIN_LENGTH_MAX:
        raise Refused(
            f"A PIN has {PIN_LENGTH_MIN} to {PIN_LENGTH_MAX} characters.", "Choose another."
        )
    if len(set(pin)) == 1:
        raise Refused("A PIN of equal characters is guessed at once.", "Choose another.")
    return _hasher.hash(pin)


def set_pin(path: Path, pin: str) -> None:
    """Write the hash of `pin` to `path` (mode 0600), all or nothing."""
    text = hash_pin(pin)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_pin(path: Path) -> str:
    """The hash in `path`. ConfigError if it is not there or is none."""
    try:
        text = path.read_text(encoding="ascii").strip()
        _hasher.check_needs_rehash(text)
    except OSError as error:
        raise ConfigError(
            f"The staff PIN file cannot be read: {error}.", "Set a PIN, or correct staff_pin_file."
        ) from error
    except (ValueError, InvalidHashError) as error:
        raise ConfigError(f"{path} holds no argon2 hash.", "Set the staff PIN again.") from error
    return text


class Outcome(StrEnum):
    """How a try ended."""

    RIGHT = "right"
    WRONG = "wrong"
    WAIT = "wait"


class Verdict(Struct, frozen=True):
    """The outcome of a try, and how long to wait before the next one."""

    outcome: Outcome
    wait_s: float = 0.0


class _Tries:
    """Wrong tries of one client, or of all."""

    __slots__ = ("last_ms", "wrong")

    def __init__(self) -> None:
        self.wrong = 0
        self.last_ms = 0

    def wait_s(self, now_ms: int, most: int) -> float:
        passed_s = (now_ms - self.last_ms) / 1000
        if passed_s >= FORGIVEN_S:
            self.wrong = 0
        if self.wrong < most:
            return 0.0
        doublings = min(self.wrong - most, 10)
        return max(0.0, min(BACK_OFF_S * 2.0**doublings, BACK_OFF_S_MAX) - passed_s)

    def count(self, now_ms: int) -> None:
        self.wrong += 1
        self.last_ms = now_ms


class Gate:
    """Checks PINs one at a time, off the loop, and makes guessing slow."""

    def __init__(self, pin_hash: str, clock: Clock, workers: Executor | None = None) -> None:
        self._hash = pin_hash
        self._clock = clock
        self._workers = workers
        self._checking = asyncio.Lock()
        self._waiting = 0
        self._clients: OrderedDict[str, _Tries] = OrderedDict()
        self._all = _Tries()

    @property
    def is_set(self) -> bool:
        """Whether there is a PIN at all; without one nobody gets in."""
        return bool(self._hash)

    async def check(self, client: str, pin: str) -> Verdict:
        """Whether `pin` is right. `client` is the network address of who tries."""
        if self._waiting >= CHECKS_WAITING_MAX:
            return Verdict(Outcome.WAIT, 1.0)
        self._waiting += 1
        try:
            async with self._checking:
                return await self._check(client, pin)
        finally:
            self._waiting -= 1

    async def _check(self, client: str, pin: str) -> Verdict:
        tries = self._tries_of(client)
        wait_s = self._wait_s(tries)
        if wait_s > 0:
            return Verdict(Outcome.WAIT, wait_s)
        loop = asyncio.get_running_loop()
        if await loop.run_in_executor(self._workers, _matches, self._hash, pin):
            self._clients.pop(client, None)
            return Verdict(Outcome.RIGHT)
        now_ms = self._clock.now().mono_ms
        tries.count(now_ms)
        self._all.count(now_ms)
        return Verdict(Outcome.WRONG, self._wait_s(tries))

    def _wait_s(self, tries: _Tries) -> float:
        now_ms = self._clock.now().mono_ms
        return max(tries.wait_s(now_ms, TRIES_MAX), self._all.wait_s(now_ms, TRIES_TOTAL_MAX))

    def _tries_of(self, client: str) -> _Tries:
        tries = self._clients.setdefault(client, _Tries())
        self._clients.move_to_end(client)
        if len(self._clients) > CLIENTS_MAX:
            self._clients.popitem(last=False)
        return tries


def _matches(pin_hash: str, pin: str) -> bool:
    if not pin_hash or len(pin) > PIN_LENGTH_MAX:
        return False
    try:
        return _hasher.verify(pin_hash, pin)
    except (Argon2Error, InvalidHashError):
        return False
