"""Consent given and taken back on the box itself, against rows of a platform that lags behind."""

import asyncio
import struct
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from edge import consent
from edge.consent import Agreement, Said
from edge.errors import ConsentMissing
from edge.face_models import DLIB
from edge.records import Consent, ConsentKind, Member, Moment, Stream
from edge.storage import consent_words, members, staging, templates
from edge.storage.consent_words import PROTECTED_MS
from edge.storage.database import Database
from edge.storage.staging import Op, StagedRow
from edge.storage.templates import Template
from edge.storage.transaction import Transaction

FACE, PROGRAMME = ConsentKind.FACE, ConsentKind.PROGRAMME
START_MS = 1_800_000_000_000
AGREED = Agreement(FACE, "face-1", True)
KIOSK = Said("kiosk")
numbers = count()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = Database.open(Path(tmp_path_factory.mktemp("consent")))
    yield opened
    opened.close()


def at(wall_ms: int, *, trusted: bool = True) -> Moment:
    return Moment(wall_ms, 1, "boot", trusted)


def person(name: str, face_ms: int | None = None) -> Member:
    kinds = ((PROGRAMME, 0), *(((FACE, face_ms),) if face_ms is not None else ()))
    agreed = tuple(Consent(kind, given_ms, "v1", "phone") for kind, given_ms in kinds)
    return Member(name, "Анна", f"card-{name}", consents=agreed)


def swap_in(tx: Transaction, member: Member, moment: Moment) -> None:
    """The member's row comes by a dataset."""
    key = tx.execute("SELECT wrapped FROM member_key WHERE member = ?", (member.id,)).fetchone()
    row = StagedRow(member.id, staging.bucket_of(member.id), 1, Op.PUT)
    staging.put_rows(tx, "members", [row])
    staging.put_cells(tx, "member", [members.cells(tx.vault, member, key[0] if key else None)])
    staging.put_cells(tx, "consent", members.consent_cells(member))
    assert consent.swap_members(tx, [], moment) == []
    while staging.clean(tx, "members"):
        pass


def face_ms(tx: Transaction, member: str) -> int | None:
    return members.given_ms(tx, member, FACE)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("give"), st.none()),
        st.tuples(st.just("withdraw"), st.none()),
        st.tuples(st.just("command"), st.none()),
        st.tuples(st.sampled_from(["row", "single"]), st.sampled_from(["none", "old", "latest"])),
        st.tuples(st.just("anew"), st.none()),
        st.tuples(st.just("pass"), st.sampled_from([1, 3_600_000, PROTECTED_MS])),
    ),
    max_size=14,
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps)
@example([("give", None), ("command", None), ("single", "latest")])
@example([("give", None), ("command", None), ("row", "latest")])
@example([("give", None), ("withdraw", None), ("anew", None), ("row", "latest")])
@example([("give", None), ("row", "old"), ("row", "latest"), ("row", "none")])
@example([("give", None), ("withdraw", None), ("give", None), ("row", "latest"), ("row", "old")])
def test_a_consent_is_kept_while_it_is_protected_and_never_survives_a_withdrawal(
    database: Database, steps: list[tuple[str, str | int | None]]
) -> None:
    name = f"m{next(numbers)}"

    def live(tx: Transaction) -> None:
        now_ms, first_ms = START_MS, START_MS - 1000
        consent.accept_member(tx, person(name))
        given_ms: list[int] = [first_ms]  # every consent that there ever was, wherever given
        expected: int | None = None
        protected_until = -1
        withdrawn_ms = -1
        for step, how in steps:
            now_ms += 1
            match step:
                case "give":
                    consent.give(tx, name, AGREED, KIOSK, at(now_ms))
                    expected = face_ms(tx, name)
                    assert expected is not None
                    assert expected > max(withdrawn_ms, first_ms)
                    given_ms.append(expected)
                    protected_until = now_ms + PROTECTED_MS
                case "withdraw" | "command":
                    if step == "withdraw":
                        consent.withdraw_here(tx, name, FACE, KIOSK, at(now_ms))
                    else:
                        consent.withdraw(tx, name, FACE, at(now_ms))
                    if expected is not None:
                        withdrawn_ms = max(withdrawn_ms, expected)
                    expected, protected_until = None, -1
                case "anew":  # the member agrees at the platform; a row will tell
                    given_ms.append(now_ms)
                case "row" | "single":
                    known = {"none": None, "old": given_ms[0], "latest": given_ms[-1]}[str(how)]
                    row = person(name, known)
                    if step == "row":
                        swap_in(tx, row, at(now_ms))
                    else:
                        consent_words.lapse(tx, at(now_ms))
                        consent.accept_member(tx, row)
                    protected = now_ms < protected_until
                    if protected and (known is None or known < (expected or 0)):
                        pass  # the platform does not know yet
                    elif known is not None and known <= withdrawn_ms:
                        expected = None  # it speaks of what was taken back
                    else:
                        expected, protected_until = known, -1
                case "pass":
                    now_ms += int(how or 0)
            now = face_ms(tx, name)
            if withdrawn_ms >= 0 and now is not None:
                assert now > withdrawn_ms, "a consent survived its withdrawal"
            if now_ms < protected_until:
                assert now == expected, "a consent was lost"
            elif now != expected:  # a withdrawal here may be later than the platform's consent
                assert now is None

    asyncio.run(database.transact(live))


async def test_what_is_agreed_here_is_told_in_the_same_breath(database: Database) -> None:
    await database.transact(lambda tx: consent.accept_member(tx, person("told")))
    now = at(START_MS)
    await database.transact(lambda tx: consent.give(tx, "told", AGREED, Said("staff", "olga"), now))
    event = database.backlog.events(Stream.CRIT, 0, 10_000)[-1]
    assert (event.type, msgspec.json.decode(event.body)) == (
        "consent.given.v1",
        {
            "member": "told",
            "kind": "face",
            "text_version": "face-1",
            "given_ms": START_MS,
            "adult": True,
            "channel": "staff",
            "by": "olga",
        },
    )
    assert await database.transact(lambda tx: consent.withdraw_here(tx, "told", FACE, KIOSK, now))
    event = database.backlog.events(Stream.CRIT, 0, 10_000)[-1]
    assert (event.type, msgspec.json.decode(event.body)) == (
        "consent.withdrawn.v1",
        {"member": "told", "kind": "face", "channel": "kiosk", "by": ""},
    )
    assert not await database.transact(
        lambda tx: consent.withdraw_here(tx, "told", FACE, KIOSK, now)
    )


async def test_only_adult_members_can_agree(database: Database) -> None:
    await database.transact(lambda tx: consent.accept_member(tx, person("young")))
    for name, adult in (("young", False), ("nobody", True)):
        agreement = Agreement(FACE, "face-1", adult)
        with pytest.raises(ConsentMissing):
            await database.transact(
                lambda tx, n=name, a=agreement: consent.give(tx, n, a, KIOSK, at(START_MS))
            )
    assert members.given_ms(database.reading, "young", FACE) is None


async def test_a_clock_that_nobody_trusts_ends_no_protection(database: Database) -> None:
    def live(tx: Transaction) -> None:
        consent.accept_member(tx, person("early"))
        consent.give(tx, "early", AGREED, KIOSK, at(5, trusted=False))
        swap_in(tx, person("early"), at(PROTECTED_MS * 9, trusted=False))
        assert face_ms(tx, "early") == 5
        swap_in(tx, person("early"), at(START_MS))  # the first moment that can be trusted
        assert face_ms(tx, "early") == 5
        swap_in(tx, person("early"), at(START_MS + PROTECTED_MS))
        assert face_ms(tx, "early") is None

    await database.transact(live)


async def test_a_row_that_cannot_be_read_may_be_a_withdrawal(database: Database) -> None:
    def live(tx: Transaction) -> None:
        consent.accept_member(tx, person("doubted"))
        consent.give(tx, "doubted", AGREED, KIOSK, at(START_MS))
        vectors = struct.pack("<128f", 1, *[0] * 127)
        consent.accept_template(tx, Template("doubted", DLIB, vectors))
        consent.doubt_member(tx, "doubted")
        assert consent.agreed_by(tx, "doubted") == {PROGRAMME}
        swap_in(tx, person("doubted"), at(START_MS))
        assert consent.agreed_by(tx, "doubted") == {PROGRAMME}

    await database.transact(live)
    assert "doubted" not in templates.owners(database.reading)
