"""Sessions from accounting records: what holds in whatever order they come, however often."""

import gc
from collections import defaultdict
from itertools import permutations
from types import ModuleType

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, composite

from edge.records import Member
from hardware import radius_sessions
from hardware.radius import Accounting, Status
from hardware.radius_sessions import LATE_MS, Change, Phase, Refusal, SessionBook
from sensors.radius import Line

PHONE, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
START, ALIVE, STOP, ON, OFF = Status.START, Status.ALIVE, Status.STOP, Status.ON, Status.OFF

FOREVER_MS = 10**12


def record(status: Status, session: str = "s1", nas: str = "hall", **more: object) -> Accounting:
    usual: dict[str, object] = {"login": "79161234567", "address": PHONE}
    return Accounting(nas, status, session, **(usual | more))  # type: ignore[arg-type]


def still_open(book: SessionBook) -> int:
    """How many sessions end when nothing is heard any more; afterwards none is open."""
    return len(book.expire(FOREVER_MS))


def phases(book: SessionBook, *said: tuple[int, Accounting]) -> list[str]:
    """What happens, in order; what changes nothing is left out."""
    found: list[str] = []
    for at_ms, each in said:
        changes = book.take(each, at_ms)
        if isinstance(changes, list):
            found += [change.phase.value for change in changes]
    return found


@composite
def histories(draw: DrawFn) -> list[tuple[int, Accounting]]:
    """Records of a few sessions at two senders, in any order, each at its time."""
    steps = draw(
        st.lists(
            st.tuples(
                st.integers(0, 400_000),
                st.builds(
                    record,
                    st.sampled_from(Status),
                    st.sampled_from(["s1", "s2", "s3", ""]),
                    st.sampled_from(["hall", "desk"]),
                    address=st.sampled_from([PHONE, OTHER, None]),
                    login=st.sampled_from(["a", "b", ""]),
                    age_s=st.sampled_from([0, 0, 3, 100, 10_000]),
                ),
            ),
            max_size=40,
        )
    )
    at_ms, told = 0, []
    for pause_ms, each in steps:
        at_ms += pause_ms
        told.append((at_ms, each))
    return told


def lives(book: SessionBook, told: list[tuple[int, Accounting]]) -> list[Change]:
    """All changes of a history, with the time that passes in between and an end of everything."""
    found: list[Change] = []
    at_ms = 0
    for at_ms, each in told:
        found += book.expire(at_ms)
        changes = book.take(each, at_ms)
        found += changes if isinstance(changes, list) else []
    return found + book.expire(at_ms + 10_000_000)


@given(histories())
def test_each_session_starts_goes_on_and_stops_in_this_order(told) -> None:
    book = SessionBook(300)
    is_open: defaultdict[tuple[str, str], bool] = defaultdict(bool)
    for change in lives(book, told):
        key = (change.session.nas, change.session.id)
        assert is_open[key] is (change.phase is not Phase.START)
        is_open[key] = change.phase is not Phase.STOP
    assert not any(is_open.values()), "everything that started has stopped"
    assert still_open(book) == 0


@given(histories(), st.data())
def test_what_is_repeated_at_once_changes_nothing(told, data) -> None:
    """As access points do that got no answer: the same once more, told to be a little older."""
    doubled = []
    for at_ms, each in told:
        doubled.append((at_ms, each))
        doubled += [(at_ms, each)] * data.draw(st.integers(0, 2))
    once = [(c.phase, c.session.id) for c in lives(SessionBook(), told) if c.phase != "alive"]
    often = [(c.phase, c.session.id) for c in lives(SessionBook(), doubled) if c.phase != "alive"]
    assert once == often


@given(st.permutations([START, ALIVE, ALIVE, STOP, START, STOP]), st.integers(0, 20_000))
def test_in_whatever_order_one_session_comes_it_is_over(order, pause_ms) -> None:
    book = SessionBook()
    found = phases(book, *((n * pause_ms, record(status)) for n, status in enumerate(order)))
    assert still_open(book) == 0
    assert (found.count("start"), found.count("stop")) in {(0, 0), (1, 1)}
    assert found in ([], ["start", *["alive"] * (len(found) - 2), "stop"])


def test_all_orders_of_a_session_are_looked_at_once() -> None:
    outcomes = {
        tuple(phases(SessionBook(), *enumerate(map(record, order))))
        for order in permutations([START, ALIVE, STOP])
    }
    assert outcomes == {
        ("start", "alive", "stop"),
        ("start", "stop"),
        (),
    }


def test_without_updates_a_session_ends_after_a_quarter_of_an_hour() -> None:
    book = SessionBook()
    book.take(record(START), 0)
    assert book.expire(899_999) == []
    assert [change.phase for change in book.expire(900_000)] == [Phase.STOP]
    assert phases(book, (901_000, record(ALIVE))) == ["start"], "it was there after all"


def test_with_updates_it_ends_after_two_of_them_are_missing() -> None:
    book = SessionBook(interim_s=120)
    book.take(record(START), 0)
    book.take(record(ALIVE), 120_000)
    assert book.expire(359_999) == []
    assert len(book.expire(360_000)) == 1


def test_how_late_a_record_came_counts() -> None:
    book = SessionBook()
    assert book.take(record(START, age_s=301), 1_000_000) is Refusal.LATE
    assert phases(book, (1_000_000, record(START, age_s=300))) == ["start"]
    assert len(book.expire(700_000 + 900_000)) == 1, "it was heard then, not when it came"
    stopped = record(STOP, "s2", age_s=5)
    assert phases(book, (2_000_000, record(START, "s2")), (2_000_500, stopped)) == ["start"]
    assert still_open(book) == 1, "a stop from before the start is another session's"


def test_a_name_used_anew_is_a_new_session() -> None:
    book = SessionBook()
    phases(book, (0, record(START)), (1, record(STOP)))
    assert book.take(record(START), LATE_MS) is Refusal.LATE
    assert phases(book, (LATE_MS, record(START, address=OTHER))) == ["start"]
    phases(book, (LATE_MS, record(STOP)))
    assert phases(book, (3 * LATE_MS, record(START))) == ["start"]


def test_another_phone_or_login_under_the_same_name_is_another_session() -> None:
    book = SessionBook()
    assert phases(book, (0, record(START)), (1, record(ALIVE, address=OTHER))) == [
        "start",
        "stop",
        "start",
    ]
    assert phases(book, (2, record(ALIVE, address=OTHER, login="b"))) == ["stop", "start"]
    assert phases(book, (3, record(ALIVE, address=OTHER, login=""))) == ["alive"]


def test_a_sender_that_begins_or_ends_has_nobody_and_the_others_keep_theirs() -> None:
    for status in (ON, OFF):
        book = SessionBook()
        for session in ("s1", "s2"):
            book.take(record(START, session), 0)
        book.take(record(START, nas="desk"), 0)
        assert phases(book, (5000, record(status, "boot", address=None))) == ["stop", "stop"]
        assert phases(book, (6000, record(START))) == ["start"], "it numbers anew"
        again = book.take(record(status, "boot", address=None), 9000)
        assert again is Refusal.LATE, "repeated, it does not end what has begun since"
        assert book.take(record(ALIVE, "s2", age_s=8), 9000) is Refusal.LATE
        assert still_open(book) == 2


def test_what_began_after_a_sender_did_goes_on_though_the_news_comes_late() -> None:
    book = SessionBook()
    for at_ms, session in ((0, "s1"), (6000, "s2")):
        book.take(record(START, session), at_ms)
    changes = book.take(record(ON, "boot", address=None, age_s=8), 10_000)
    assert isinstance(changes, list)
    assert [change.session.id for change in changes] == ["s1"]


@pytest.mark.parametrize("phones", [1, 2, 60])
def test_memory_is_bounded(phones) -> None:
    book = SessionBook()
    most = radius_sessions.SESSIONS_MAX
    for number in range(most + phones):
        book.take(record(START, f"s{number}"), number)
    assert still_open(book) == most
    ended = radius_sessions.ENDED_MAX
    for number in range(ended + phones):
        book.take(record(STOP, f"e{number}"), most + number)
    late = most + ended + phones
    assert book.take(record(STOP, f"e{phones}"), late) is Refusal.LATE, "it is known to have ended"
    assert book.take(record(STOP, f"e{phones - 1}"), late) == [], "the oldest made room"


def reachable(root: object) -> list[object]:
    """Everything that can be reached from an object, but for types and modules."""
    found: dict[int, object] = {}
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) not in found and not isinstance(one, type | ModuleType):
            found[id(one)] = one
            waiting += gc.get_referents(one)
    return list(found.values())


@given(histories())
def test_neither_login_nor_address_outlives_the_record_that_told_it(told) -> None:
    logins, phones = ("+79161234567", "anna@example.com"), (PHONE, OTHER)
    book = SessionBook()
    for at_ms, each in told:
        known = each.login and logins[each.login == "b"]
        said = msgspec.structs.replace(each, login=known)
        changes = book.take(said, at_ms)
        for change in changes if isinstance(changes, list) else []:
            ended = change.phase is Phase.STOP
            assert (change.login, change.address) == (
                ("", b"") if ended else (said.login, said.address)
            )
    for change in book.expire(at_ms + 60_000) if told else []:
        assert (change.login, change.address) == ("", b"")
    held = reachable(book)
    assert [each for each in held if isinstance(each, str) and each in logins] == []
    kept = [bytes(each) for each in held if isinstance(each, bytes | bytearray)]
    seen_into = [book._key, *(session.phone for session in book._open.values())]
    assert all(each in kept for each in seen_into), "else the look would prove nothing"
    assert [each for each in kept if any(phone in each for phone in phones)] == []


def test_nothing_shows_who_it_is() -> None:
    (change,) = SessionBook().take(record(START), 0)
    line = Line(0, "hall", "start", login="79161234567", address="\\x02\\x00")
    member = Member("m1", "Anna", "C1", logins=("79161234567",))
    shown_as = (repr(record(START)), repr(change), repr(line), repr(member), str(member))
    for shown in (*shown_as, str(change.session)):
        assert "Anna" not in shown
        assert "7916" not in shown
        assert "x02" not in shown
