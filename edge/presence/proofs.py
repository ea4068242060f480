"""Which phones a visit proves to be its member's, and which it shows to be somebody else's.

Pure; part of the book of visits. A number says whose a login is, and not who holds the phone: of a
hundred that log in with a member's number one is of somebody else in the family. What is noted here
is written with the visit (`facts`), and believed of the next login (`associations`).
"""

from collections.abc import Iterable

from edge.presence.evidence import unproved
from edge.presence.open_visit import BY_PHONE, OpenVisit
from edge.presence.open_visits import OpenVisits
from edge.visiting import SignKind, Strength


def found(entry: OpenVisit) -> None:
    """A phone that is on the Wi-Fi now is the member's, if the visit is theirs by a strong sign of
    another kind. Of two such phones nobody knows which is theirs, so that neither is proved. Who
    shops beside a partner, whose phone alone is on the air under their number, proves that one.
    """
    member = entry.identified
    if member is None:
        return
    theirs = {s: sign for s, sign in entry.standing().items() if sign.member == member}
    on_air = [theirs[source] for source in entry.associations if source in theirs]
    phones = {sign.phone for sign in on_air}
    known = any(s.kind not in BY_PHONE and s.strength is not Strength.WEAK for s in theirs.values())
    if not known or len(phones) != 1:
        return
    (phone,) = phones
    if phone is None or phone in entry.proved:
        return
    entry.proved.add(phone)
    if not any(sign.strength is Strength.ASSOCIATION for sign in on_air):  # else it was before
        entry.new_phones[phone] = (member, True)


def lost(visits: OpenVisits, entry: OpenVisit, sources: Iterable[str]) -> None:
    """These signs came with somebody else: a phone among them is unproved, and its login weak."""
    for source in sources:
        sign = entry.signs[source]
        if sign.kind not in BY_PHONE:
            continue
        if sign.phone is not None:
            entry.new_phones[sign.phone] = (sign.member, False)
        if sign.kind is SignKind.ASSOCIATION:
            visits.put(entry, source, unproved(sign), None)
