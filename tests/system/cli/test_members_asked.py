"""What `storebox members` does for a person who asks: all that is held, a copy, a withdrawal."""

import json

from tests.system.cli.box import FAILED, NOT_REACHABLE, OK, daemon


async def test_all_that_is_held_on_a_member_is_shown(storebox, filled, path):
    async with daemon(path):
        shown = await storebox("members", "show", "m1", "--everything")
        told = await storebox("members", "show", "m1", "--everything", "--json")
        unknown = await storebox("members", "show", "m3", "--everything")
    dead = await storebox("members", "show", "m1", "--everything", "--json")
    assert dead.json == told.json
    assert "Reading the database instead" in dead.err
    held = {each["name"]: each["rows"] for each in told.json["held"]}
    assert held["face templates"][0]["photos"] == 3
    assert "vectors" not in told.out
    assert [row["id"] for row in held["visits"]] == ["v1"]
    assert "2900000000018" in shown.out
    assert "answers of the platform: nothing" in shown.out
    assert "Boris" not in shown.out
    assert unknown.code == FAILED
    assert "no member 'm3'" in unknown.err


async def test_a_copy_for_the_member_is_for_nobody_elses_eyes(storebox, filled, path, tmp_path):
    copy = tmp_path / "m1.json"
    async with daemon(path):
        written = await storebox("members", "show", "m1", "--export", str(copy))
        again = await storebox("members", "show", "m1", "--export", str(copy))
    assert (written.code, written.out) == (OK, "")
    assert copy.stat().st_mode & 0o777 == 0o600
    held = {each["name"]: each["rows"] for each in json.loads(copy.read_text())["held"]}
    assert len(held["face templates"][0]["vectors_float32"]) > 1000
    assert again.code == FAILED
    assert "There is a file" in again.err
    copy.unlink()
    assert (await storebox("members", "show", "m1", "--export", str(copy))).code == OK
    assert copy.exists(), "a dead daemon's files are as good"


async def test_a_consent_is_withdrawn_at_the_command_line(storebox, filled, path):
    words = ("members", "withdraw", "m1", "--kind", "face", "--by", "seller-3")
    async with daemon(path):
        no = await storebox(*words, stdin="n\n")
        still = await storebox("members", "show", "m1", "--json")
        yes = await storebox(*words, stdin="y\n")
        then = await storebox("members", "show", "m1", "--json")
        nothing = await storebox(*words, "--yes")
        waits = await storebox("outbox", "show", "--json")
        whole = await storebox(
            "members", "withdraw", "m2", "--kind", "programme", "--by", "s", "--yes", "--json"
        )
        gone = await storebox("members", "show", "m2")
    dead = await storebox(*words, "--yes")
    assert no.code != OK
    assert still.json["has_template"]
    assert yes.code == OK
    assert "templates" in yes.out
    assert not then.json["has_template"]
    assert [each["kind"] for each in then.json["consents"]] == ["programme"]
    assert nothing.code == FAILED
    assert "no consent of the kind 'face'" in nothing.err
    told = [each for each in waits.json["events"] if each["type"] == "consent.withdrawn.v1"]
    assert '"by":"seller-3"' in told[0]["body"]
    assert whole.json["rows"]["profile"] == 1
    assert gone.code == FAILED
    assert dead.code == NOT_REACHABLE


async def test_the_proof_is_the_same_from_the_daemon_and_from_its_files(storebox, filled, path):
    async with daemon(path):
        told = await storebox("privacy", "proof", "--json")
        paper = await storebox("privacy", "proof", "--days", "30", "--language", "en")
        printed = await storebox("privacy", "proof", "--html")
    dead = await storebox("privacy", "proof", "--json")
    assert told.json | {"made_ms": 0} == dead.json | {"made_ms": 0}
    assert told.json["held"] == {"face": 1, "programme": 2}
    assert "Of the 30 days before" in paper.out
    assert printed.out.startswith("<!doctype html>")
