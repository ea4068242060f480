"""L1: the loyalty code on a member's phone, which changes every 30 seconds against screenshots.

Made by the phone (and by tests), checked by the classifier. Text: `L1` and base32 of member
(6 bytes), the counter's low 3 bytes, and 6 bytes of HMAC-SHA256 over all of it, keyed for the
member from the store's epoch key. Capitals and digits only: such QR codes are small.
"""

import hmac
import re
from base64 import b32encode

from msgspec import Struct

from edge.codes.context import Epoch

PREFIX = "L1"
CHARACTERS = 26
STEP_S = 30
BEHIND_MAX, AHEAD_MAX = 2, 1
"""Steps by which a phone's clock may be late or early."""
_MEMBER_BYTES, _COUNTER_BYTES, _PROOF_BYTES = 6, 3, 6
_BYTES = _MEMBER_BYTES + _COUNTER_BYTES + _PROOF_BYTES
_TEXT = re.compile("L1[A-Z2-7]{24}")
_AS_NUMBER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789abcdefghijklmnopqrstuv")
"""Base32 (RFC 4648) is a number to the base of 32 with other digits; a number is read faster."""
_COUNTERS = 1 << 8 * _COUNTER_BYTES
"""They come round after 16 years."""


class Rotating(Struct, frozen=True):
    """A genuine code, `behind` by so many steps; `of_epoch` tells whether its key still counts."""

    member: bytes
    counter: int
    behind: int
    of_epoch: bool

    @property
    def fresh(self) -> bool:
        """Whether it may spend."""
        return self.of_epoch and -AHEAD_MAX <= self.behind <= BEHIND_MAX


def member_key(epoch: Epoch, member: bytes) -> bytes:
    """What a member's phone is given for one epoch; the box derives it and keeps none."""
    return hmac.digest(epoch.key, b"storebox L1 member" + member, "sha256")


def make(member: bytes, key: bytes, now_s: int) -> str:
    """The text to show now; ValueError unless the member has 6 bytes."""
    if len(member) != _MEMBER_BYTES:
        raise ValueError(f"a member is {_MEMBER_BYTES} bytes here")
    counter = now_s // STEP_S
    low = (counter % _COUNTERS).to_bytes(_COUNTER_BYTES)
    return PREFIX + b32encode(member + low + _proof(key, member, counter)).decode()


def check(text: str, epochs: tuple[Epoch, ...], now_s: int) -> Rotating | None:
    """The member and step of a code of the right length; None if it is nobody's."""
    if not _TEXT.fullmatch(text):
        return None
    raw = int(text[len(PREFIX) :].translate(_AS_NUMBER), 32).to_bytes(_BYTES)
    member, proof = raw[:_MEMBER_BYTES], raw[-_PROOF_BYTES:]
    low = int.from_bytes(raw[_MEMBER_BYTES:-_PROOF_BYTES])
    now = now_s // STEP_S
    # The counter nearest to now that ends so.
    counter = now + (low - now + _COUNTERS // 2) % _COUNTERS - _COUNTERS // 2
    for epoch in epochs if counter >= 0 else ():
        if hmac.compare_digest(_proof(member_key(epoch, member), member, counter), proof):
            grace_s = STEP_S * (BEHIND_MAX + AHEAD_MAX)
            of_epoch = epoch.from_s - grace_s <= now_s < epoch.until_s + grace_s
            return Rotating(member, counter, now - counter, of_epoch)
    return None


def _proof(key: bytes, member: bytes, counter: int) -> bytes:
    spoken = b"storebox L1" + member + counter.to_bytes(8)
    return hmac.digest(key, spoken, "sha256")[:_PROOF_BYTES]
