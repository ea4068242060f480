"""How often somebody may ask for codes by telephone, by screen and by number: so that nobody is
sent messages they did not want, and no code is found by trying.

Used by `kiosk/phone.py`. Pure but for a key of its own: numbers are kept as keyed hashes, in
memory, for an hour at most.
"""

import hashlib
import secrets
from collections import OrderedDict, deque

SENDS_PER_NUMBER_MAX = 3
SENDS_PER_SCREEN_MAX = 8
SENDS_WITHIN_S = 3600.0
"""Codes sent to one number, or asked for at one screen, in an hour."""
CHECKS_PER_CODE_MAX = 5
"""Wrong codes before another one has to be sent: of four digits 1 in 2000 is guessed."""
NUMBERS_MAX = 1000
"""Numbers remembered; no box sends that many codes in an hour."""


class Tries:
    """What was sent and tried of late at the screens of one box. Times are monotonic ms."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._sent: OrderedDict[str, deque[int]] = OrderedDict()
        self._checked: dict[str, tuple[str, int]] = {}

    def may_send(self, screen: str, phone: str, now_ms: int) -> bool:
        """Whether another code may go to `phone` from `screen`; if so it is counted."""
        limits = ((f"at {screen}", SENDS_PER_SCREEN_MAX), (self._hash(phone), SENDS_PER_NUMBER_MAX))
        if any(len(self._of_late(name, now_ms)) >= most for name, most in limits):
            return False
        for name, _ in limits:
            self._sent[name].append(now_ms)
            self._sent.move_to_end(name)
        while len(self._sent) > NUMBERS_MAX:
            self._sent.popitem(last=False)
        self._checked[screen] = (self._hash(phone), 0)
        return True

    def may_check(self, screen: str, phone: str) -> bool:
        """Whether a code may be tried for `phone` at `screen`; if so it is counted."""
        asked, count = self._checked.get(screen, ("", 0))
        if asked != self._hash(phone) or count >= CHECKS_PER_CODE_MAX:
            return False
        self._checked[screen] = (asked, count + 1)
        return True

    def _of_late(self, name: str, now_ms: int) -> deque[int]:
        sent = self._sent.setdefault(name, deque())
        while sent and now_ms - sent[0] > SENDS_WITHIN_S * 1000:
            sent.popleft()
        return sent

    def _hash(self, phone: str) -> str:
        return hashlib.blake2b(phone.encode(), key=self._key, digest_size=16).hexdigest()
