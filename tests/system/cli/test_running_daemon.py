"""The `storebox` command while the daemon answers on its control socket."""

from contextlib import closing

from edge.clock import SystemClock
from edge.records import Stream
from edge.storage import visits
from edge.storage.database import Database
from edge.visiting import Visit, VisitState
from sync.link import LinkStatus
from tests.system.cli.box import FAILED, NOW, OK, daemon


async def test_status(storebox, filled, path):
    async with daemon(path):
        result = await storebox("status", "--json")
        shown = await storebox("status")
    assert (result.code, shown.code) == (OK, OK)
    assert result.json.keys() == {
        *("version", "box", "uptime_s", "clock", "recognition", "sensors", "link", "outbox"),
        *("counters", "visits_open", "members", "datasets", "kiosk", "memory_rss_bytes"),
    }
    assert result.json["box"] == "shop/s1/b1"
    assert (result.json["visits_open"], result.json["members"]) == (1, 2)
    assert result.json["link"]["reason"] == "The broker refused the login."
    assert {row["stream"]: row["waiting"] for row in result.json["outbox"]} == {
        "crit": 3,
        "visit": 0,
        "bulk": 0,
    }
    assert result.json["memory_rss_bytes"] > 1 << 20
    assert "shop/s1/b1" in shown.out
    assert "The broker refused the login." in shown.out
    assert "Check the password file." in shown.out
    assert "noise 2" in shown.out


async def test_members_of_a_running_box(storebox, filled, path):
    async with daemon(path):
        listed = await storebox("members", "list", "--json")
        page = await storebox("members", "list", "--json", "--after", "m1", "-n", "1")
        one = await storebox("members", "show", "m1", "--json")
        table = await storebox("members", "show", "m1")
        other = await storebox("members", "show", "m2")
        unknown = await storebox("members", "show", "m3")
    assert listed.err == ""
    assert listed.json["members"][0] == {
        "id": "m1",
        "tier": "gold",
        "segment": "",
        "consents": ["face", "programme"],
        "has_template": True,
    }
    assert [member["id"] for member in page.json["members"]] == ["m2"]
    assert one.json["has_template"] is True
    assert one.json["visit"]["id"] == "v1"
    assert {consent["kind"] for consent in one.json["consents"]} == {"programme", "face"}
    assert "Анна �[31mП" in table.out, "a name cannot steer the terminal"
    assert "[red]Boris" in other.out, "a name is no markup"
    assert unknown.code == FAILED
    assert "no member 'm3'" in unknown.err


async def test_visits_and_outbox_of_a_running_box(storebox, filled, path):
    async with daemon(path):
        here = await storebox("visits", "list", "--json")
        ever = await storebox("visits", "list", "--all", "--json")
        shown = await storebox("visits", "list")
        outbox = await storebox("outbox", "show", "--json")
        table = await storebox("outbox", "show")
    assert [visit["id"] for visit in here.json["visits"]] == ["v1"]
    assert here.json["visits"][0]["reasons"] == ["a face"]
    assert [visit["id"] for visit in ever.json["visits"]] == ["v1", "v0"]
    assert "99.8%" in shown.out
    bodies = [event["body"] for event in outbox.json["events"]]
    assert len(bodies) == 3
    assert all(len(body) < 500 for body in bodies)
    assert "order.placed.v1" in table.out


async def test_sensors_of_a_running_box(storebox, path):
    async with daemon(path) as box:
        listed = await storebox("sensors", "list", "--json")
        silent = await storebox("sensors", "test", "scanner", "--seconds", "0.5", "--json")
        box.state = "finished"
        played = await storebox("sensors", "test", "scanner", "--seconds", "0.5")
        box.per_question = 1
        busy = await storebox("sensors", "test", "scanner", "--seconds", "0.5", "--json")
    assert listed.code == OK
    assert listed.json["sensors"][0]["state"] == "listening"
    assert (silent.code, silent.json["ok"]) == (FAILED, False)
    assert "observed nothing" in silent.json["state"]
    assert played.code == FAILED
    assert "its recording is at its end" in played.out
    assert "something to see" not in played.out
    assert (busy.code, busy.json["ok"]) == (OK, True)
    assert busy.json["observed"]["observations"] > 0
    assert busy.json["dropped"] == {}, "what was dropped before the test is not the test's"


async def test_doctor_asks_the_running_daemon(storebox, filled, path):
    async with daemon(path):
        checks = {
            check["id"]: check for check in (await storebox("doctor", "--json")).json["checks"]
        }
    assert checks["daemon"]["ok"]
    assert checks["sensors"]["ok"]
    assert not checks["outbox_age"]["ok"], "the events are of 2023"


async def test_the_line_of_a_running_box(storebox, filled, path):
    async with daemon(path) as box:
        off, off_json = await storebox("sync", "status"), await storebox("sync", "status", "--json")
        box.line = LinkStatus(
            True, NOW, last_ack=NOW, rtt_ms=34, window=8, refused=((Stream.CRIT, "full"),)
        )
        on = await storebox("sync", "status")
        box.line = LinkStatus(True, NOW, alarms=("It does not answer.",), silent=True)
        silent, short = await storebox("sync", "status"), await storebox("status")
    assert (off.code, off_json.code, on.code) == (OK, OK, OK)
    for words in (
        "shop/s1/b1",
        "NOT connected",
        "The broker refused the login.",
        "Check the password file.",
        "Look here.",
        "none are obeyed",
        "faces may be matched",
        "The platform has sent no dataset yet.",
        "never heard yet",
        "none since the daemon was started",
    ):
        assert words in off.out
    assert off_json.json["streams"][0]["depth"]["waiting"] == 3
    assert off_json.json["line"]["connected"] is False
    assert off_json.json["lease"]["holds"] is True
    assert off_json.json["key"] == "file"
    assert "answers within 34 ms" in on.out
    assert "at most 8 batches unanswered at once" in on.out
    assert "full" in on.out
    for shown in (silent.out, short.out):
        assert "the platform does NOT answer" in shown
        assert "It does not answer." in shown
    assert " yes" not in silent.out, "nobody knows what it would accept"


async def test_rates_of_error_stand_beside_the_thresholds(storebox, filled, path):
    with closing(Database.open(filled)) as database:
        now = SystemClock().now()
        visit = Visit("v2", VisitState.IDENTIFIED, now, now, "door", "m1", 0.998, ("face",))
        await database.transact(lambda tx: visits.put(tx, visit))
    async with daemon(path):
        told = await storebox("visits", "rates", "--json")
        table = await storebox("visits", "rates")
    assert (told.code, table.code, told.err) == (OK, OK, "")
    first = told.json["rates"][0]
    assert (first["name"], first["told"], first["bound"]) == ("identified", 1, 0.01)
    line = next(line for line in table.out.splitlines() if line.startswith("identified"))
    assert line.split() == ["identified", "0.99", "1.000%", "0.200%", "0.000%", "0", "1"]
