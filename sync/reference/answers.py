"""Answers what boxes ask while somebody waits: stock, a balance, a coupon, a payment, an order.

A simulation of a chain's systems, from the same files that are served as datasets; only coupons
have a life of their own, in the database. Asking twice gives the same answer. Called by
`platform.py` in the database's thread. Arguments and values by service:

    stock           sku                  rows: [{sku, place, quantity, as_of_ms}]
    balance         member               points, as_of_ms
    coupon.claim    coupon, order        coupon, amount_minor, percent; `coupon` is an id or a code
    coupon.confirm  coupon, order        coupon
    coupon.release  coupon, order        coupon
    phone.verify    phone [, code]       sent, or verified; the code is the number's last four
    payment.link    order, amount_minor  link
    order.status    number               status, as_of_ms
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from edge.documents import Balance, Coupon, OrderStatus
from edge.errors import BadMessage, Refused
from edge.sales import Stock
from sync.ingest import wall_ms
from sync.ingest.coupons import Claims
from sync.messages import Address, Dataset
from sync.spoken import ARGUMENTS_BYTES_MAX, Request, Response, Service

log = logging.getLogger(__name__)

FILE_BYTES_MAX = 64 << 20
ROWS_MAX = 50
"""In one answer: more shops than anybody looks through."""
ARGUMENT_MAX = 128
AMOUNT_MAX = 2**53
PHONE_DIGITS = (5, 15)
"""ITU-T E.164 allows fifteen."""
CODE_DIGITS = 4

Values = dict[str, Any]

_ROWS: dict[Dataset, Any] = {
    Dataset.STOCK: list[Stock],
    Dataset.BALANCES: list[Balance],
    Dataset.COUPONS: list[Coupon],
    Dataset.ORDER_STATUS: list[OrderStatus],
}


class Desk:
    """Answers from the files in `folder` and the claims in the database."""

    def __init__(self, folder: Path, claims: Claims) -> None:
        self._folder = folder
        self._claims = claims
        self._read: dict[Dataset, tuple[int, list[Any]]] = {}
        self._answers: dict[Service, Callable[[Address, Values], Values]] = {
            Service.STOCK: self._stock,
            Service.BALANCE: self._balance,
            Service.COUPON_CLAIM: self._claim,
            Service.COUPON_CONFIRM: self._confirm,
            Service.COUPON_RELEASE: self._release,
            Service.PHONE_VERIFY: _phone,
            Service.PAYMENT_LINK: _payment,
            Service.ORDER_STATUS: self._order_status,
        }

    def answer(self, address: Address, service: Service, request: Request) -> bytes:
        """The Response to a request, as it is published. BadMessage if it is none."""
        if len(msgspec.json.encode(request.args)) > ARGUMENTS_BYTES_MAX:
            raise BadMessage("A question has too many arguments.")
        try:
            value = self._answers[service](address, request.args)
            response = Response(v=1, id=request.id, ok=True, value=value)
        except Refused as refusal:
            response = Response(v=1, id=request.id, ok=False, reason=str(refusal)[:256])
        return msgspec.json.encode(response)

    def _stock(self, _: Address, args: Values) -> Values:
        sku = _text(args, "sku")
        rows = [row for row in self._rows(Dataset.STOCK) if row.sku == sku]
        return {"rows": [msgspec.to_builtins(row) for row in rows[:ROWS_MAX]]}

    def _balance(self, _: Address, args: Values) -> Values:
        member = _text(args, "member")
        for row in self._rows(Dataset.BALANCES):
            if row.member == member:
                return {"points": row.points, "as_of_ms": row.as_of_ms}
        raise Refused("This member has no balance.")

    def _order_status(self, _: Address, args: Values) -> Values:
        number = _text(args, "number")
        for row in self._rows(Dataset.ORDER_STATUS):
            if row.number == number:
                return {"status": row.status, "as_of_ms": row.as_of_ms}
        raise Refused("Nothing is known of this order yet.")

    def _claim(self, address: Address, args: Values) -> Values:
        coupon, holder, now_ms = self._coupon(args), _holder(address, args), wall_ms()
        if now_ms < coupon.valid_from_ms or (coupon.valid_to_ms or now_ms) < now_ms:
            raise Refused("This coupon is not valid today.")
        if not self._claims.claim(coupon.id, holder, now_ms):
            raise Refused("This coupon has been used already.")
        figures = {"amount_minor": coupon.amount_minor, "percent": coupon.percent}
        return {"coupon": coupon.id, **figures}

    def _confirm(self, address: Address, args: Values) -> Values:
        coupon = self._coupon(args)
        if not self._claims.confirm(coupon.id, _holder(address, args)):
            raise Refused("This coupon was not claimed for this order.")
        return {"coupon": coupon.id}

    def _release(self, address: Address, args: Values) -> Values:
        coupon = self._coupon(args)
        if not self._claims.release(coupon.id, _holder(address, args)):
            raise Refused("This coupon has been used up by this order.")
        return {"coupon": coupon.id}

    def _coupon(self, args: Values) -> Coupon:
        wanted = _text(args, "coupon")
        for row in self._rows(Dataset.COUPONS):
            if wanted in (row.id, row.code):
                found: Coupon = row
                return found
        raise Refused("There is no such coupon.")

    def _rows(self, dataset: Dataset) -> list[Any]:
        """The file's rows; its last good content while it cannot be read."""
        path = self._folder / f"{dataset}.json"
        try:
            found = path.stat()
            stamp, rows = self._read.get(dataset, (0, []))
            if stamp != found.st_mtime_ns and found.st_size <= FILE_BYTES_MAX:
                rows = msgspec.json.decode(path.read_bytes(), type=_ROWS[dataset])
                self._read[dataset] = (found.st_mtime_ns, rows)
            return rows
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("%s is not used for answers: %s", path, error)
            return self._read.get(dataset, (0, []))[1]


def _phone(_: Address, args: Values) -> Values:
    digits = "".join(each for each in _text(args, "phone") if each.isascii() and each.isdigit())
    if not PHONE_DIGITS[0] <= len(digits) <= PHONE_DIGITS[1]:
        raise Refused("This is no telephone number.")
    if "code" not in args:
        return {"sent": True}
    if _text(args, "code") != digits[-CODE_DIGITS:]:
        raise Refused("This is not the code that was sent.")
    return {"verified": True}


def _payment(address: Address, args: Values) -> Values:
    order, amount = _text(args, "order"), args.get("amount_minor")
    if not isinstance(amount, int) or not 0 < amount <= AMOUNT_MAX:
        raise Refused("There is nothing to be paid.")
    return {"link": f"https://pay.example/{address.store}/{address.box}/{order}?sum={amount}"}


def _holder(address: Address, args: Values) -> str:
    return f"{address}#{_text(args, 'order')}"


def _text(args: Values, name: str) -> str:
    value = args.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= ARGUMENT_MAX or "\0" in value:
        raise Refused(f"The question lacks {name!r}.", "Compare the box's version with ours.")
    return value
