"""Staff say that an open visit is not whom the box took it for.

Pure; part of the book of visits.
"""

from edge.presence.deciding import Deciding
from edge.presence.evidence import weakened
from edge.presence.open_visit import OpenVisit, anonymous
from edge.presence.open_visits import OpenVisits
from edge.visiting import Evidence, SignKind, Step

CORRECTED = "corrected"
"""The step that says whose visit it is not."""


def not_them(visits: OpenVisits, deciding: Deciding, entry: OpenVisit, by: str) -> OpenVisit | None:
    """Nothing speaks any more for whom the visit was taken for, and they are barred from it.

    What they have about them, such as a phone, gets a visit of its own (given back, and still to be
    decided) if there is somebody else to be seen; otherwise it is not listened to any more. As it
    came with somebody who is not they, it names nobody by itself: it is weak from now on.
    """
    before, told = entry.visit, entry.identified is not None
    wrong = before.member
    assert wrong is not None, "it was taken for somebody"
    theirs = {source: sign for source, sign in entry.signs.items() if sign.member == wrong}
    about = [s for s, sign in theirs.items() if s not in entry.bound and _about_them(sign)]
    seen = bool(entry.tracks) or entry.door
    visits.become(entry, anonymous(entry.visit))
    entry.barred.add(wrong)
    for source in theirs:
        if source not in about:
            visits.drop(entry, source)
        elif not seen:
            entry.muted.add(source)
            visits.drop(entry, source)
    for source in about if seen else ():
        visits.put(entry, source, weakened(theirs[source]), None)
    apart = deciding.apart(entry, about) if seen and about else None
    by_face = any(sign.kind is SignKind.FACE for sign in theirs.values())
    kind = SignKind.FACE if by_face else SignKind.STAFF
    entry.step(Step(entry.visit.last_seen, CORRECTED, text=f"by {by}", member=wrong, sign=kind))
    if told:
        deciding.corrected(entry, before, apart.visit.id if apart else None, by)
    return apart


def _about_them(sign: Evidence) -> bool:
    """Whether it is of something that the member has about them, not of how they look."""
    return sign.kind not in (SignKind.FACE, SignKind.STAFF)
