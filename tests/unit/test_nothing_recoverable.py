"""A withdrawal at any moment leaves nothing recoverable with the live key, and takes nothing more.

Random histories of two members are written by the real ways in; then one of them takes one kind of
consent back, by any of the ways there are. What must be gone is looked for in every page of the
files, opened with the live key; what may stay must still be there.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge import consent, erasure
from edge.consent import Said
from edge.errors import ConsentMissing
from edge.presence.facts import Fact, put
from edge.records import Consent, ConsentKind, Member, Moment, Stream
from edge.sales import CartLine, Order
from edge.storage import answered, bindings, consent_log, documents, members, orders, staging
from edge.storage.answered import Answered
from edge.storage.database import Database
from edge.storage.transaction import Transaction
from edge.visiting import (
    REASON_BEGINS,
    RESTS_ON,
    Evidence,
    SignKind,
    Stage,
    Step,
    Strength,
    Visit,
    VisitState,
)
from tests import faces
from tests.lives import bytes_of
from tests.pages import everything

PEOPLE = ("anna-q7x", "boris-w5z")
FACE, WIFI, PROGRAMME = ConsentKind.FACE, ConsentKind.WIFI, ConsentKind.PROGRAMME
NEEDS = {sign: kind for kind, sign in RESTS_ON}
LINE = CartLine("sku-1", "Ball", 1, 100)


@dataclass
class Story:
    """What was written, whose it is and on which consent it rests."""

    tx: Transaction
    clock_ms: int = 1_700_000_000_000
    number: int = 0
    mine: dict[tuple[str, ConsentKind], set[bytes]] = field(default_factory=dict)
    """Pieces that stand in the files now."""
    ever: dict[tuple[str, ConsentKind], set[bytes]] = field(default_factory=dict)
    """Those, and what they replaced."""

    def now(self) -> Moment:
        self.clock_ms += 1000
        return Moment(self.clock_ms, self.clock_ms, "boot", True)

    def canary(self, who: str, kind: ConsentKind) -> str:
        self.number += 1
        text = f"canary-{self.number:05d}-of-this-story"
        self.mine.setdefault((who, kind), set()).add(text.encode())
        return text

    def agreed(self, who: str, *kinds: ConsentKind) -> bool:
        return {PROGRAMME, *kinds} <= consent.agreed_by(self.tx, who)

    def note(self) -> None:
        """Sealed pieces as they lie there now."""
        for who in PEOPLE:
            for kind in (FACE, WIFI, PROGRAMME):
                others = {FACE, WIFI} if kind is PROGRAMME else set()
                found = set(bytes_of(self.tx, who, kind))
                for other in others:
                    found -= set(bytes_of(self.tx, who, other))
                told = self.mine.setdefault((who, kind), set())
                self.ever.setdefault((who, kind), set()).update(found, told)
                self.mine[who, kind] = {each for each in told if each.startswith(b"canary")} | found


Act = Callable[[Story, str], None]


def joins(story: Story, who: str, kinds: tuple[ConsentKind, ...] = tuple(ConsentKind)) -> None:
    if not members.exists(story.tx, who):
        story.mine.pop((who, PROGRAMME), None)
    now = story.now()
    agreed = tuple(Consent(kind, now.wall_ms, "text-7", "till") for kind in kinds)
    logins = (f"+7900{who}",)
    story.mine.setdefault((who, PROGRAMME), set())
    card = f"card-{who}"
    member = Member(who, f"Name of {who}", card, "gold", "", agreed, logins)
    consent.accept_member(story.tx, member, now)


def face(story: Story, who: str) -> None:
    if story.agreed(who, FACE):
        story.number += 1
        consent.accept_template(story.tx, faces.template(who, story.number))


def phone(story: Story, who: str) -> None:
    story.number += 1
    address = bytearray(story.number.to_bytes(6, "little"))
    made = bindings.made(story.tx, story.tx.vault, who, address, until_ms=story.clock_ms)
    if made is not None and story.agreed(who, WIFI):
        consent.bind(story.tx, made)


def document(story: Story, who: str) -> None:
    key = members.key(story.tx, story.tx.vault, who)
    if key is not None:
        cells = documents.cells("history", f"{who}/{story.number}", b"{}", (who, key))
        story.tx.execute("INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?)", cells)


def answer(story: Story, who: str) -> None:
    if story.agreed(who):
        text = f'{{"said": "{story.canary(who, PROGRAMME)}"}}'.encode()
        subject = f'{{"member":"{who}","n":{story.number}}}'
        answered.put(story.tx, Answered("balance", subject, who, text, story.now()))


def order(story: Story, who: str) -> None:
    if story.agreed(who):
        placed, number = story.now(), f"o-{story.number:06d}-{story.clock_ms}"
        orders.put_order(story.tx, Order(number, "main", (LINE,), 100, "RUB", placed, who))
        body = {"number": number, "member": who}
        story.tx.emit(Stream.CRIT, "order.placed.v1", body, placed, member=who)


def staged(story: Story, who: str) -> None:
    if story.agreed(who):
        text = story.canary(who, PROGRAMME).encode()
        staging.put_cells(story.tx, "document", [("history", f"{who}/s", who, text)])


def visit(sign: SignKind, *, ended: bool) -> Act:
    """A visit that rests on the member's card and on another sign, with steps and events."""

    def comes(story: Story, who: str) -> None:
        kind = NEEDS.get(sign, PROGRAMME)
        if not story.agreed(who, kind):
            return

        def reason() -> str:
            return f"{REASON_BEGINS[sign]} {story.canary(who, kind)}"

        now = story.now()
        story.number += 1
        id_ = f"e-{story.number:06d}"
        card = f"{REASON_BEGINS[SignKind.CARD]} {story.canary(who, PROGRAMME)}"
        other = reason()
        stage = Stage.LEFT if ended else Stage.BROWSING
        seen = Visit(id_, VisitState.IDENTIFIED, now, now, "door", who, 0.99, (card, other), stage)
        step = Step(now, "sign", "door", story.canary(who, kind), who, sign, 5.0)
        signs = {} if ended else {"door": Evidence(who, sign, 5.0, Strength.WEAK, reason(), now)}
        body = {"visit": f"x-{story.number}", "member": who}
        body["reasons"] = (reason(),)
        put(story.tx, [Fact(seen, None, "", None, now, signs=signs, steps={1: step})])
        story.tx.emit(Stream.VISIT, "visit.identified.v1", body, now, member=who)

    return comes


ACTS: dict[str, Act] = {
    "joins": joins,
    "face": face,
    "phone": phone,
    "document": document,
    "answer": answer,
    "order": order,
    "staged": staged,
    "by card": visit(SignKind.CARD, ended=True),
    "by face": visit(SignKind.FACE, ended=False),
    "by face, ended": visit(SignKind.FACE, ended=True),
    "by login": visit(SignKind.ASSOCIATION, ended=False),
    "by phone": visit(SignKind.DEVICE, ended=True),
}


def row_without(story: Story, who: str, kind: ConsentKind) -> None:
    """The platform's next row, which lacks the consent."""
    if kind is PROGRAMME:
        consent.forget_member(story.tx, who, story.now())
        return
    kept = tuple(each for each in members.consents(story.tx, who) if each.kind is not kind)
    member = members.get(story.tx, story.tx.vault, who)
    if member is not None:
        story.mine[who, WIFI] = set() if kind is WIFI else story.mine.get((who, WIFI), set())
        logins = (f"+7900{who}",)
        row = Member(who, member.name, member.card, consents=kept, logins=logins)
        consent.accept_member(story.tx, row, story.now())


WAYS: dict[str, Callable[[Story, str, ConsentKind], object]] = {
    "here": lambda s, who, kind: consent.withdraw_here(
        s.tx, who, kind, Said("kiosk", "seller-3"), s.now()
    ),
    "command": lambda s, who, kind: consent.withdraw(s.tx, who, kind, s.now()),
    "row": row_without,
}

acts = st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.sampled_from(PEOPLE)), max_size=14)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A box's files before anything happened, made once."""
    folder = tmp_path_factory.mktemp("pristine") / "state"
    Database.open(folder).close()
    return folder


@pytest.fixture(scope="module")
def fresh(pristine: Path) -> Callable[[], "TemporaryBox"]:
    return lambda: TemporaryBox(pristine)


class TemporaryBox:
    """A copy of those files, opened."""

    def __init__(self, pristine: Path) -> None:
        self._folder = TemporaryDirectory(prefix="nothing-recoverable-")
        self.directory = Path(self._folder.name) / "state"
        shutil.copytree(pristine, self.directory)
        self.database = Database.open(self.directory)

    def __enter__(self) -> "TemporaryBox":
        return self

    def __exit__(self, *_: object) -> None:
        self.database.close()
        self._folder.cleanup()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    before=acts,
    after=acts,
    taking=st.tuples(
        st.sampled_from(PEOPLE), st.sampled_from(ConsentKind), st.sampled_from(sorted(WAYS))
    ),
)
async def test_a_withdrawal_at_any_moment_leaves_nothing_and_takes_nothing_more(
    fresh, before, after, taking
):
    who, kind, way = taking
    with fresh() as box:
        story = Story(None)

        def lived(tx: Transaction) -> None:
            story.tx = tx
            for person in PEOPLE:
                joins(story, person)
                face(story, person)
            for act, person in before:
                ACTS[act](story, person)
                story.note()
            story.note()

        def withdrawn(tx: Transaction) -> None:
            story.tx = tx
            WAYS[way](story, who, kind)
            story.note()  # a row seals the name anew

        def goes_on(tx: Transaction) -> None:
            story.tx = tx
            for act, person in after:
                if person != who:
                    ACTS[act](story, person)
                    story.note()

        await box.database.transact(lived)
        gone = set().union(
            *(
                pieces
                for (person, on), pieces in story.ever.items()
                if person == who and (on is kind or kind is PROGRAMME)
            )
        )
        await box.database.transact(withdrawn)
        await box.database.transact(goes_on)
        await erasure.scrub_once(box.database)
        pile = everything(box.directory)
        assert [piece for piece in gone if piece in pile] == []
        for (person, on), pieces in story.mine.items():
            if person != who or (on is not kind and kind is not PROGRAMME):
                assert [piece for piece in pieces if piece not in pile] == [], (person, on)
        log = consent_log.of(box.database.reading, box.database.vault, who)
        assert kind in {each.kind for each in log}, "the proof stays"
        if kind is PROGRAMME:
            await leaves_no_name(box, who)


async def leaves_no_name(box: TemporaryBox, who: str) -> None:
    """When the platform has the receipt, nothing names them."""
    for stream, (last, _) in box.database.cursors().items():
        await box.database.transact(lambda tx, s=stream, n=last: tx.acknowledge(s, n))
    await erasure.scrub_once(box.database)
    assert who.encode() not in everything(box.directory)


# --- no match without consent, ever


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(PEOPLE),
            st.sets(st.sampled_from(ConsentKind)),
            st.sampled_from(["row", *WAYS]),
        ),
        min_size=1,
        max_size=8,
    )
)
async def test_nobody_is_matched_without_consent_whatever_happened(fresh, rows):
    with fresh() as box:
        story = Story(None)
        vault = box.database.vault

        def lived(tx: Transaction) -> None:
            story.tx = tx
            for person, kinds, way in rows:
                agrees(story, person, kinds, way)
                for act in (face, phone):
                    act(story, person)
                refused_without_consent(story, person)
                written_without_consent(story, person)

        await box.database.transact(lived)
        reading = box.database.reading
        for piece in consent.matchable(reading, vault, faces.MODEL, 10):
            for member in piece.members:
                assert {FACE, PROGRAMME} <= consent.agreed_by(reading, member)
        now = story.now()
        for person in PEOPLE:
            agreed = consent.agreed_by(reading, person)
            known = consent.who_logged_in(reading, vault, f"+7900{person}")
            assert known == (person if {WIFI, PROGRAMME} <= agreed else None)
        for number in range(story.number + 1):
            address = bytearray(number.to_bytes(6, "little"))
            bound = consent.bound(reading, vault, address, now)
            assert bound is None or {WIFI, PROGRAMME} <= consent.agreed_by(reading, bound.member)
        for member, reasons in reading.execute("SELECT member, reasons FROM visit").fetchall():
            assert member is None or {PROGRAMME} <= consent.agreed_by(reading, member)
            if "face" in reasons:
                assert FACE in consent.agreed_by(reading, member)


def agrees(story: Story, person: str, kinds: set[ConsentKind], way: str) -> None:
    """A row with these consents; or those that they have are taken back."""
    if way == "row":
        if PROGRAMME in kinds:
            joins(story, person, tuple(sorted(kinds)))
        else:
            with pytest.raises(ConsentMissing):
                joins(story, person, tuple(sorted(kinds)))
    else:
        for kind in kinds:
            WAYS[way](story, person, kind)


def refused_without_consent(story: Story, person: str) -> None:
    """The first place: what the platform may send."""
    if not story.agreed(person, FACE):
        with pytest.raises(ConsentMissing):
            consent.accept_template(story.tx, faces.template(person, 1))


def written_without_consent(story: Story, person: str) -> None:
    """The third: a visit that was decided before, and is written after."""
    now = story.now()
    story.number += 1
    reasons = (f"{REASON_BEGINS[SignKind.FACE]} like theirs",)
    seen = Visit(
        f"e-{story.number:06d}", VisitState.IDENTIFIED, now, now, "door", person, 0.99, reasons
    )
    put(story.tx, [Fact(seen, None, "", None, now)])
