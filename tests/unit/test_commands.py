"""Commands: who may give them, that each is done once, and what hostile ones leave: nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.records import ConsentKind
from edge.storage import commanded, erased, members
from sync.commands import Authority, Commands, EraseMember, Refresh
from sync.messages import Dataset
from sync.signing import SigningKey, TrustedKeys
from tests.clocks import HOUR_MS
from tests.commanding import ADDRESS, Bench, bench_of, join


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = bench_of(tmp_path)
    yield made
    made.database.close()


async def test_a_command_is_carried_out_and_answered(bench):
    bench.commands.report_with(lambda: {"counters": {"x": 1}})
    assert not await bench.give("box.report")
    assert bench.events() == [
        ("box.reported.v1", {"counters": {"x": 1}}),
        ("command.done.v1", {"id": "c-1", "type": "box.report", "ok": True, "reason": ""}),
    ]
    assert bench.commands.last == 1
    assert bench.counted() == {}


async def test_an_erasure_comes_with_its_receipt_and_whoever_keeps_people_in_memory_is_told(bench):
    await join(bench, "anna", "boris")
    await bench.give("member.erase", args={"member": "anna"}, exp=0)
    assert (bench.knows("anna"), bench.knows("boris")) == (False, True)
    (_, receipt), (_, done) = bench.events()
    assert receipt["member"] == "anna"
    assert receipt["counts"]["profile"] == 1
    assert receipt["counts"]["consents"] == 3
    assert done["ok"]
    assert bench.obeyed == [EraseMember("anna")]


async def test_a_consent_is_withdrawn(bench):
    await join(bench, "anna")
    await bench.give("consent.withdraw", args={"member": "anna", "kind": "face"})
    member = members.get(bench.database.reading, bench.database.vault, "anna")
    assert {each.kind for each in member.consents} == {
        ConsentKind.MARKETING,
        ConsentKind.PROGRAMME,
    }
    await bench.give("consent.withdraw", args={"member": "anna", "kind": "programme"})
    assert not bench.knows("anna")
    # they may join again, unlike somebody who was erased
    assert not erased.contains(bench.database.reading, bench.database.vault, "anna")


async def test_datasets_are_asked_for_anew(bench):
    await bench.give("datasets.refresh", args={"datasets": ["prices"]})
    await bench.give("datasets.refresh")
    assert bench.obeyed == [Refresh((Dataset.PRICES,)), Refresh()]


@pytest.mark.parametrize(
    ("type_", "args", "reason"),
    [
        ("shell.run", {"line": "id"}, "no such command"),
        ("", {}, "no such command"),
        ("member.erase", {}, "do not fit"),
        ("member.erase", {"member": ""}, "do not fit"),
        ("member.erase", {"member": 7}, "do not fit"),
        ("member.erase", {"member": "anna", "and": "boris"}, "do not fit"),
        ("consent.withdraw", {"member": "anna", "kind": "everything"}, "do not fit"),
        ("datasets.refresh", {"datasets": ["secrets"]}, "do not fit"),
        ("box.report", {"to": "elsewhere"}, "do not fit"),
    ],
)
async def test_what_cannot_be_done_is_answered_once_with_the_reason(bench, type_, args, reason):
    await join(bench, "anna")
    for _ in range(2):
        await bench.give(type_, args=args, counter=1)
    ((identity, ok, why),) = bench.done()
    assert (identity, ok) == ("c-1", False)
    assert reason in why
    assert "anna" not in why
    assert bench.knows("anna")
    assert bench.obeyed == []
    assert bench.counted() == {"commands.refused": 1, "commands.replayed": 1}


async def test_a_command_is_done_once_however_often_it_comes(bench):
    message = bench.key.signed(bench.command("box.report"))
    for _ in range(5):
        await bench.send(message)
    # the same command under the next number, and another one under the old number
    await bench.send(bench.key.signed(bench.command("box.report", id="c-1", counter=2)))
    await bench.send(bench.key.signed(bench.command("box.report", id="new", counter=1)))
    assert bench.done() == [("c-1", True, "")]
    assert bench.counted() == {"commands.replayed": 6}


async def test_a_restart_forgets_no_command(bench, tmp_path):
    message = bench.key.signed(bench.command("box.report"))
    await bench.send(message)
    bench.database.close()
    again = bench_of(tmp_path)
    await again.send(message)
    assert again.commands.last == 1
    assert len(again.done()) == 1
    again.database.close()
    bench.database = SimpleNamespace(close=lambda: None)


async def test_an_expired_command_is_not_done_and_its_number_is_used_up(bench):
    now_s = bench.time.wall_ms // 1000
    await bench.give("box.report", exp=now_s)
    await bench.give("box.report", exp=0)
    assert bench.commands.last == 2
    assert bench.done() == [(f"c-{n}", False, "The command has expired.") for n in (1, 2)]


async def test_an_erasure_never_expires(bench):
    await join(bench, "anna")
    await bench.give("member.erase", args={"member": "anna"}, exp=1)
    assert not bench.knows("anna")


async def test_without_the_time_nothing_that_expires_is_done_but_an_erasure_is(tmp_path):
    bench = bench_of(tmp_path, trusted=False)
    await join(bench, "anna")
    await bench.give("box.report")
    await bench.give("member.erase", args={"member": "anna"})
    (_, ok, why), (_, erased_ok, _) = bench.done()
    assert (ok, erased_ok) == (False, True)
    assert "does not know the time" in why
    bench.database.close()


async def test_a_clock_that_was_right_within_the_lease_will_do(bench):
    bench.lease.wall_ms()
    exp = bench.time.wall_ms // 1000 + 2 * 3600
    bench.time.trusted = False
    bench.time.wall_ms = 0
    await bench.time.pass_(HOUR_MS)
    await bench.give("box.report", exp=exp)
    await bench.time.pass_(HOUR_MS)
    await bench.give("box.report", exp=exp)
    await bench.time.pass_(72 * HOUR_MS)
    await bench.give("box.report", exp=2**40)
    assert [ok for _, ok, _ in bench.done()] == [True, False, False]
    assert [why for _, _, why in bench.done()][1] == "The command has expired."


async def test_nobody_but_the_platform_can_command(bench, tmp_path):
    await join(bench, "anna")
    before = bench.state()
    good = bench.key.signed(bench.command("member.erase", args={"member": "anna"}))
    stranger = SigningKey.open(tmp_path / "stranger.key")
    for forged in (
        bench.command("member.erase", args={"member": "anna"}),
        stranger.signed(bench.command("member.erase", args={"member": "anna"})),
        good | {"sig": ""},
        good | {"sig": "A" * 88},
        good | {"sig": good["sig"][::-1]},
        good | {"kid": "other"},
        good | {"args": {"member": "boris"}},
        good | {"counter": 7},
        good | {"id": "c-2"},
        good | {"exp": 2**40},
        good | {"more": 1},
    ):
        assert not await bench.send(forged)
    assert bench.state() == before
    assert bench.counted() == {"commands.unsigned": 11}


async def test_a_box_without_keys_obeys_nobody(bench):
    commands = Commands(
        bench.database,
        bench.time,
        authority=Authority(ADDRESS, TrustedKeys.read(None)),
        lease=bench.lease,
        counters=bench.counters,
    )
    await commands.take(json.dumps(bench.key.signed(bench.command())).encode())
    assert bench.done() == []
    assert bench.counted() == {"commands.unsigned": 1}


@pytest.mark.parametrize("box", ["chain/shop-1/box-2", "chain/-/-", "box-1", ""])
async def test_a_command_for_another_box_is_none(bench, box):
    before = bench.state()
    await bench.give("box.report", box=box)
    assert bench.state() == before
    assert bench.counted() == {"commands.misaddressed": 1}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 20_000,
        b'{"a":' * 4_000,
        b'{"v":1,"args":' + b"[" * 900 + b"]" * 900 + b"}",
        b" " * 30_000,
        b'{"v":1,"id":"\\ud800"}',
        b"x" * 200_000,
    ],
)
async def test_garbage_is_counted_and_changes_nothing(bench, payload):
    before = bench.state()
    assert not await bench.commands.take(payload)
    assert bench.state() == before
    assert bench.counted() == {"commands.malformed": 1}


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One box for many examples, none of which may change anything."""
    made = bench_of(tmp_path_factory.mktemp("box"))
    yield made
    made.database.close()


JSON = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text(max_size=100)
    | st.lists(st.integers(), max_size=3)
    | st.dictionaries(st.text(max_size=5), st.integers(), max_size=3)
)


@given(data=st.data(), other=JSON)
async def test_a_signed_command_with_any_member_changed_is_refused(lasting, data, other):
    good = lasting.key.signed(lasting.command())
    name = data.draw(st.sampled_from(sorted(good)))
    before = lasting.state()
    await lasting.send(good | {name: other})
    assert lasting.state() == before or (other == good[name] and type(other) is type(good[name]))


async def test_one_warning_for_each_kind(bench, caplog):
    for _ in range(50):
        await bench.commands.take(b"{}")
        await bench.send(bench.command())
        await bench.give(box="x/y/z")
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 3
    assert sum(bench.counted().values()) == 150


# --- what a broker loses


async def test_behind_a_hole_the_platform_is_asked_and_nothing_is_left_out(bench):
    await join(bench, "anna")
    first = bench.key.signed(
        bench.command("consent.withdraw", args={"member": "anna", "kind": "face"}, counter=1)
    )
    second = bench.key.signed(bench.command("box.report", counter=2))
    assert await bench.send(second)  # True: say hello
    assert bench.done() == []
    for message in (first, second):  # what it sends again
        assert not await bench.send(message)
    assert [identity for identity, _, _ in bench.done()] == ["c-1", "c-2"]


async def test_a_platform_that_leaves_numbers_out_is_believed_when_it_does_so_again(bench):
    message = bench.key.signed(bench.command("box.report", counter=7))
    assert await bench.send(message)
    assert not await bench.send(message)
    assert bench.commands.last == 7
    assert bench.done() == [("c-7", True, "")]
    assert not await bench.give("box.report", counter=8)


async def test_an_erasure_that_was_passed_over_is_done_whatever_its_number(bench):
    await join(bench, "anna")
    late = bench.key.signed(
        bench.command("member.erase", id="late", args={"member": "anna"}, exp=0, counter=1)
    )
    for _ in range(2):
        await bench.give("box.report", counter=3)
    for _ in range(3):
        await bench.send(late)
    assert not bench.knows("anna")
    assert [identity for identity, _, _ in bench.done()] == ["c-3", "late"]
    assert bench.commands.last == 3


async def test_a_command_that_there_is_no_room_for_is_asked_for_again(bench):
    """The counter stays, so that the platform sends it again."""
    await join(bench, "anna")
    bench.commands.report_with(lambda: {"text": "x" * 70_000})  # larger than any event may be
    await bench.give("box.report", counter=1)
    assert bench.commands.incomplete
    assert bench.commands.last == 0
    assert bench.counted() == {"commands.not_kept": 1}
    bench.commands.report_with(dict)
    await bench.give("box.report", counter=1)
    assert not bench.commands.incomplete
    assert bench.done() == [("c-1", True, "")]


async def test_only_so_many_commands_are_remembered(bench):
    def many(tx):
        for counter in range(1, commanded.REMEMBERED_MAX + 11):
            commanded.note(
                tx, commanded.Commanded(counter, f"c-{counter}", "box.report", True, "", 0)
            )

    await bench.database.transact(many)
    count = bench.database.reading.execute("SELECT count(*) FROM commanded").fetchone()[0]
    assert count == commanded.REMEMBERED_MAX
    assert not commanded.knows(bench.database.reading, "c-10")
    assert commanded.knows(bench.database.reading, "c-11")
    assert bench.commands.last == commanded.REMEMBERED_MAX + 10
