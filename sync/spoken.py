"""Commands, questions and answers on the wire: the types that box and platform share.

Commands (`dn/cmd`) are signed by the platform (`sync/signing.py`) and judged on the box by
`sync/commands.py`; questions (`rq/{service}`, answers on `rs/{boot}`) are asked by `sync/calls.py`.
Pure declarations: nothing here is carried out.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from sync.messages import Count, Name, Short

ARGUMENTS_BYTES_MAX = 16 * 1024
"""Of one command, request or answer, as JSON."""


class CommandType(StrEnum):
    """All that a platform can make a box do. There is no shell, and there will be none."""

    ERASE_MEMBER = "member.erase"
    WITHDRAW_CONSENT = "consent.withdraw"
    REPORT = "box.report"
    REFRESH = "datasets.refresh"


class Command(Struct, frozen=True):
    """Do something, once. Signed over canonical JSON of all members but `sig`.

    `counter` rises with each command of this platform to this box; `iat` and `exp` are Unix
    seconds (`exp` 0: never, for erasures alone).
    """

    v: Literal[1]
    id: Short
    box: Annotated[str, Meta(max_length=160)]
    """`tenant/store/box`."""
    type: Short
    args: dict[str, Any]
    iat: Count
    exp: Count
    counter: Annotated[int, Meta(ge=1, le=2**53)]
    kid: str = ""
    sig: str = ""


class Service(StrEnum):
    """What a box can ask its platform while somebody waits for the answer."""

    STOCK = "stock"
    BALANCE = "balance"
    COUPON_CLAIM = "coupon.claim"
    COUPON_CONFIRM = "coupon.confirm"
    COUPON_RELEASE = "coupon.release"
    PHONE_VERIFY = "phone.verify"
    PAYMENT_LINK = "payment.link"
    ORDER_STATUS = "order.status"


class Request(Struct, frozen=True):
    """One question. The answer comes on `rs/{boot}` with the same `id` (correlation)."""

    v: Literal[1]
    id: Short
    boot: Name
    args: dict[str, Any]
    budget_ms: Annotated[int, Meta(ge=1, le=60_000)]


class Response(Struct, frozen=True):
    """The answer to `id`: `value` if `ok`, else `reason`, a sentence for a person."""

    v: Literal[1]
    id: Short
    ok: bool
    value: dict[str, Any] = {}
    reason: Annotated[str, Meta(max_length=256)] = ""
