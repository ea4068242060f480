"""What a scanned text means: one classifier for every device. Pure; it raises for no text.

Called by whoever scans, once for each text. The order is that of danger and then of certainty: a
payment card first, guesses by digits last. It opens no address and believes no check digit.
"""

import re
import unicodedata

from edge.codes import (
    digital_link,
    gs1,
    in_store,
    marks,
    payment_card,
    retail,
    rotating,
    symbology,
    tokens,
)
from edge.codes.check_digits import has_gs1_check
from edge.codes.context import Context, Rules
from edge.codes.meaning import (
    Element,
    Elements,
    Fault,
    FaultKind,
    InStore,
    LogisticUnit,
    LoyaltyCard,
    LoyaltyToken,
    Malformed,
    Mark,
    Meaning,
    PaymentCard,
    TradeItem,
    Unknown,
    WebLink,
    Why,
)
from edge.codes.symbology import Symbology

TEXT_MAX = 8192
"""The largest QR code holds 7089 digits or 4296 other characters."""
_AROUND = " \t\r\n\x00\x02\x03\u00a0"
_NO_UTF_8 = "\ufffd"
"""What decoders leave in the place of bytes that they do not understand."""
_BARE_ELEMENTS = re.compile(r"01[0-9]{14}|02[0-9]{14}37|00[0-9]{18}\Z")
"""How element strings begin when nobody said that they are some."""
_MARK_ELEMENTS = re.compile(r"01[0-9]{14}21")
_SPACED_DIGITS = re.compile(r"[0-9](?: ?[0-9])+")
_VARIABLE_ITEM = "9"
_OWN_TOKENS = ("C1", "H1", "L1", "O1", "S1", "С1", "Н1", "О1", "c1", "h1", "l1", "o1", "s1")
"""Latin capitals, the Cyrillic letters that look like them, and what a person types."""


def classify(text: str, context: Context) -> Meaning:
    """The meaning of a text, with the reasons; `Malformed` for a broken code, never an error."""
    if len(text) > TEXT_MAX:
        what = f"It has more than {TEXT_MAX} characters, more than any symbol holds."
        return _malformed(Fault(FaultKind.TOO_LONG, TEXT_MAX, what), ())
    rules = context.rules
    if payment_card.holds_card(text, context.via, carrier=context.symbology, own=rules.loyalty):
        dropped = "It has the shape of a payment card's track or number, and is dropped."
        return PaymentCard((dropped,), context.via)
    symbol, plain = symbology.split(text.strip(_AROUND), context.symbology)
    why: Why = (f"The scanner says {symbol.identifier}: {symbol.name}.",) if symbol.name else ()
    plain = plain.strip(_AROUND)
    if not plain:
        return _malformed(Fault(FaultKind.EMPTY, 0, "There is nothing in it."), why)
    if _NO_UTF_8 in plain:
        what = "There are bytes that are no UTF-8. Check the scanner's encoding and baud rate."
        return _malformed(Fault(FaultKind.BAD_CHARACTER, plain.index(_NO_UTF_8), what), why)
    if symbol.gs1 or not plain.isprintable():
        plain = gs1.with_separators(plain)
        if fault := _unprintable(plain):
            return _malformed(fault, why)
    return (
        _element_string(plain, symbol, why)
        or _tobacco_pack(plain, why)
        or _address(plain, context, why)
        or _own_token(plain, context, why)
        or _digits(plain, symbol, rules, why)
        or _card(plain, rules, why)
        or Unknown((*why, "Nothing that is known here looks like this."))
    )


def _element_string(plain: str, symbol: Symbology, why: Why) -> Meaning | None:
    """GS1 element strings and the marks among them: by symbology, by GS, by brackets, by shape."""
    if symbol.gs1:
        reason = "Its symbology says that it is a GS1 element string."
    elif gs1.GS in plain:
        reason = "There is a separator (GS) in it, as in GS1 element strings only."
    elif plain[0] == "(" and plain[1:3].isdecimal():
        return _bracketed(plain, why)
    elif (found := _BARE_ELEMENTS.match(plain)) and _is_bare(plain, found[0]):
        plain = gs1.with_separators(plain)
        reason = f"It begins like an element string with ({plain[:2]})."
    else:
        return None
    why = (*why, reason)
    if mark := marks.without_separators(plain):
        return _mark(mark, (*why, "GS is missing: it was cut by known lengths."), gs_missing=True)
    elements = gs1.parse(plain)
    return _of_elements(elements, why)


def _is_bare(plain: str, head: str) -> bool:
    """Whether it is an element string though nobody said so: the check digit of what is in front
    holds, or (21) stands where marks have it.
    """
    end = 20 if head[:2] == "00" else 16
    return has_gs1_check(plain[2:end]) or _MARK_ELEMENTS.match(plain) is not None


def _bracketed(plain: str, why: Why) -> Meaning | None:
    elements = gs1.parse_bracketed(plain)
    if isinstance(elements, Fault) and elements.kind is FaultKind.UNKNOWN_IDENTIFIER:
        return None
    return _of_elements(elements, (*why, "Its identifiers stand in brackets, as people read it."))


def _of_elements(elements: tuple[Element, ...] | Fault, why: Why) -> Meaning:
    if isinstance(elements, Fault):
        return _malformed(elements, why)
    why = (*why, "It says " + ", ".join([f"({e.ai}) {e.title}" for e in elements]) + ".")
    if mark := marks.of_elements(elements):
        return _mark(mark, why, gs_missing=False)
    values = {element.ai: element.value for element in elements}
    for ai, form in (("01", "GTIN"), ("8006", "ITIP"), ("02", "content"), ("03", "made to order")):
        if ai in values:
            gtin = values[ai][: retail.GTIN_DIGITS]
            return _trade_item(gtin, f"({ai}) {form}", why, elements=elements)
    if "00" in values:
        return LogisticUnit(why, values["00"], elements)
    return Elements(why, elements)


def _mark(mark: marks.MarkParts, why: Why, *, gs_missing: bool) -> Mark:
    return Mark(
        (*why, f"It is a mark of Честный ЗНАК ({mark.kind.replace('_', ' ')})."),
        gtin=mark.gtin,
        serial=mark.serial,
        kind=mark.kind,
        gs_missing=gs_missing,
        mrp_minor=mark.mrp_minor,
        elements=mark.elements,
    )


def _tobacco_pack(plain: str, why: Why) -> Meaning | None:
    mark = marks.tobacco_pack(plain)
    if mark is None:
        return None
    why = (*why, "Its 29 characters are GTIN, serial, price and check of a tobacco pack.")
    return _mark(mark, why, gs_missing=False)


def _address(plain: str, context: Context, why: Why) -> Meaning | None:
    address = digital_link.address_of(plain)
    if address is None:
        return None
    if address.host in context.rules.hosts:
        last = re.split("[/#=]", plain)[-1]
        if token := _own_token(last, context, (*why, "It is a link of the shop.")):
            return token
    elements = digital_link.read(address)
    if elements is None:
        return WebLink((*why, "It is an address of the web; nobody opens it."), address.host)
    return _of_elements(elements, (*why, "It is a GS1 Digital Link; nobody opens it."))


def _own_token(plain: str, context: Context, why: Why) -> Meaning | None:
    if not plain.startswith(_OWN_TOKENS):
        return None
    plain = tokens.normal(plain)
    if plain.startswith(rotating.PREFIX):
        return _rotating(plain, context, why) if len(plain) == rotating.CHARACTERS else None
    if plain[2:3] != "." and not (plain[:2] == "H1" and len(plain) >= tokens.CART_CHARACTERS_MIN):
        return None
    token = tokens.check(plain, context.rules, context.now_s)
    if isinstance(token, Fault):
        return _malformed(token, (*why, "It begins like a code that the shop makes."))
    return token


def _rotating(plain: str, context: Context, why: Why) -> Meaning:
    if not context.rules.epochs:
        what = "This box has no key for rotating loyalty codes."
        return _malformed(Fault(FaultKind.NO_KEY, 0, what), why)
    found = rotating.check(plain, context.rules.epochs, context.now_s)
    if found is None:
        what = "No key of the shop made this loyalty code."
        return _malformed(Fault(FaultKind.FORGED, 0, what), why)
    reason = (
        "It is a member's rotating code of this moment."
        if found.fresh
        else "It is a member's rotating code of another time: good for offers, not for spending."
    )
    return LoyaltyToken(
        (*why, reason), member=found.member.hex(), counter=found.counter, fresh=found.fresh
    )


def _digits(plain: str, symbol: Symbology, rules: Rules, why: Why) -> Meaning | None:
    """EAN and UPC with their check digit, and what a shop numbers itself."""
    digits = plain
    if not plain.isdecimal():
        if " " not in plain or not _SPACED_DIGITS.fullmatch(plain):
            return None
        digits = plain.replace(" ", "")
    if not digits.isascii():
        return None
    number = retail.read(digits, symbol)
    if number is None:
        return None
    if isinstance(number, Fault):
        card = _card(digits, rules, why)
        return card or (_malformed(number, why) if symbol.retail else None)
    why = (*why, f"It reads as {number.form}, and its check digit is right.")
    if in_store.is_in_store(number.gtin) and number.form != "UPC-E":
        return _in_store(digits, number.gtin, rules, why)
    own = payment_card.own_card(digits, rules.loyalty)
    return _trade_item(number.gtin, number.form, why, card_range=own[1] if own else "")


def _in_store(digits: str, gtin: str, rules: Rules, why: Why) -> Meaning:
    why = (*why, "Numbers that begin so are given out by shops themselves.")
    shortest = retail.shortest(gtin)
    for spelled in dict.fromkeys((digits, shortest, shortest.zfill(13))):
        if found := in_store.measured(spelled, rules.layouts):
            layout, measured = found
            return InStore(
                (*why, f"The layout {layout.name} fits ({layout.pattern})."),
                number=spelled,
                layout=layout.name,
                item=measured.item,
                weight_kg=measured.weight_kg,
                price_minor=measured.price_minor,
                pieces=measured.pieces,
            )
    return _card(digits, rules, why) or InStore(
        (*why, "No layout is configured for it."), number=digits
    )


def _trade_item(
    gtin: str,
    form: str,
    why: Why,
    *,
    elements: tuple[Element, ...] = (),
    card_range: str = "",
) -> TradeItem:
    item = retail.item_of(gtin)
    if item != gtin:
        why = (*why, f"The first digit {gtin[0]} is a case; one item in it is {item}.")
    elif gtin[0] == _VARIABLE_ITEM:
        why = (*why, "The first digit 9 is an item whose measure varies.")
    return TradeItem(why, gtin=gtin, item=item, form=form, elements=elements, card_range=card_range)


def _card(plain: str, rules: Rules, why: Why) -> Meaning | None:
    found = payment_card.own_card(plain, rules.loyalty) if rules.loyalty else None
    if found is None:
        return None
    return LoyaltyCard((*why, f"The number is in the card range {found[1]}."), *found)


def _unprintable(plain: str) -> Fault | None:
    """The first character that no code has: it could move a cursor, or hide or turn other text."""
    if plain.replace(gs1.GS, "").isprintable():
        return None
    at = next(n for n, c in enumerate(plain) if not c.isprintable() and c != gs1.GS)
    name = unicodedata.name(plain[at], f"U+{ord(plain[at]):04X}").capitalize()
    if unicodedata.category(plain[at]) == "Cc":
        return Fault(FaultKind.CONTROL_CHARACTER, at, f"There is a control character ({name}).")
    what = f"There is a character that cannot be seen ({name})."
    return Fault(FaultKind.INVISIBLE_CHARACTER, at, what)


def _malformed(fault: Fault, why: Why) -> Malformed:
    return Malformed((*why, f"{fault.what} (At character {fault.at + 1}.)"), fault)
