"""`storebox platform` and `storebox fleet` as whoever runs them sees them: sentences, exit codes.

Nothing here needs a broker: what is wrong is said before one is asked, or because there is none.
"""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from edge.clock import SystemClock
from sync.ingest import Ingest
from sync.ingest.boxes import Boxes
from sync.ingest.commands import Commands
from sync.messages import ClockState, Hello
from sync.reference.keys import open_keys
from tests.broker import Broker
from tests.command import storebox as ended
from tests.programs import until
from tests.system.sync_box import ADDRESS, ROOT

BOX = str(ADDRESS)
OK, FAILED, USAGE, NOT_REACHABLE = 0, 1, 2, 3
STOREBOX = [sys.executable, "-m", "edge.cli.main"]


def storebox(*words):
    run = ended(*words)
    assert "Traceback" not in run.stderr
    assert "fault of storebox" not in run.stderr
    return run


@pytest.fixture
def database(tmp_path):
    """What a platform that has run has left."""
    path = tmp_path / "platform.db"
    Ingest(path).close()
    open_keys(tmp_path)
    return path


def ordered(database):
    ingest = Ingest(database)
    try:
        return [(each.address, each.id) for each in Commands(ingest.database).latest(10)]
    finally:
        ingest.close()


# --- commands


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("member.erase", "{}"), "member"),
        (("member.erase", '{"member": ""}'), "member"),
        (("member.erase", '{"member": "anna", "shop": "s"}'), "shop"),
        (("consent.withdraw", '{"member": "anna"}'), "kind"),
        (("consent.withdraw", '{"member": "anna", "kind": "all"}'), "all"),
        (("datasets.refresh", '{"datasets": ["secrets"]}'), "secrets"),
        (("box.report", "[]"), "JSON object"),
        (("sudo.reboot", "{}"), "member.erase"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else each,
)
def test_what_a_box_would_refuse_is_refused_at_once(database, words, told):
    run = storebox("platform", "command", BOX, *words, "--database", database)
    assert (run.returncode, run.stdout) == (FAILED, "")
    assert told in run.stderr
    assert ordered(database) == []


def test_a_command_says_what_was_ordered_for_whom(database):
    ingest = Ingest(database)
    hello = Hello(1, "0badcafe", "b00t", 1, 1, ClockState.SYNCED, {}, {})
    Boxes(ingest.database).said_hello(ADDRESS, hello)
    ingest.close()
    known = storebox("platform", "command", BOX, "box.report", "--database", database)
    other = BOX.replace("box-1", "box-7")
    unknown = storebox("platform", "command", other, "box.report", "--database", database)
    again = storebox("platform", "command", other, "box.report", "--database", database)
    assert known.returncode == unknown.returncode == again.returncode == OK
    assert {(BOX, known.stdout.strip()), (other, unknown.stdout.strip())} < set(ordered(database))
    assert "box.report" in known.stderr
    assert BOX in known.stderr
    assert "never been heard of" not in known.stderr
    for run in (unknown, again):
        assert "never been heard of" in run.stderr


# --- the platform's database and keys are made by `run` alone


WORK = [
    ("command", BOX, "box.report"),
    ("claim", BOX),
    ("broker-certificate", "127.0.0.1", "--folder", "{here}/made"),
    ("client-certificate", "--folder", "{here}/made"),
]


@pytest.mark.parametrize("words", WORK, ids=lambda words: words[0])
def test_a_mistyped_database_makes_nothing(tmp_path, words):
    here = tmp_path / "folder"
    here.mkdir()
    words = [word.format(here=here) for word in words]
    run = storebox("platform", *words, "--database", here / "platfrom.db")
    assert (run.returncode, run.stdout) == (FAILED, "")
    assert "storebox platform run" in run.stderr
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("words", WORK[:2], ids=lambda words: words[0])
def test_a_mistyped_database_beside_the_right_one_is_no_new_one(database, words):
    wrong = database.with_name("platfrom.db")
    run = storebox("platform", *words, "--database", wrong)
    assert run.returncode == FAILED
    assert f"{wrong}" in run.stderr
    assert not wrong.exists()
    wrong.touch()  # a file that is no platform's
    run = storebox("platform", *words, "--database", wrong)
    assert run.returncode == FAILED
    assert wrong.read_bytes() == b""


def test_a_boxs_certificate_comes_by_enrolling_only(database, tmp_path):
    options = ("--folder", tmp_path / "made", "--database", database)
    run = storebox("platform", "client-certificate", BOX, *options)
    assert run.returncode == FAILED
    assert not (tmp_path / "made").exists()


# --- run


def test_run_tells_of_its_options_under_its_own_name():
    run = storebox("platform", "run", "--help")
    assert run.returncode == OK
    assert run.stdout.startswith("usage: storebox platform run")
    for option in ("--cert-file", "--key-file", "--token-file", "--broker-port", "1883"):
        assert option in run.stdout
    options = [line.split("  ") for line in run.stdout.splitlines() if line.startswith("  --")]
    assert len(options) > 10
    lines = run.stdout.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("  --") and not line[24:].strip():
            assert lines[number + 1][:24].strip() == "", f"{line} has no help"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--datasets", "/nowhere/at/all"), "/nowhere/at/all"),
        (("--ingest", "sync.ingest:Nothing"), "Nothing"),
        (("--ingest", "no.such.module:Ingest"), "no.such.module"),
        (("--ingest", "sync.ingest"), "MODULE:CLASS"),
        (("--ingest", "json:JSONDecoder"), "JSONDecoder"),
        (("--database", "postgresql://somewhere/x"), "--state"),
        (("--cert-file", "/nowhere.crt"), "/nowhere.crt"),
        (("--key-file", f"{__file__}"), "--cert-file"),
    ],
)
def test_a_wrong_option_of_run_is_a_usage_error(tmp_path, words, told):
    words = ("--database", tmp_path / "platform.db", *words)
    run = storebox("platform", "run", *words)
    assert (run.returncode, run.stdout) == (USAGE, "")
    assert told in run.stderr
    assert list(tmp_path.iterdir()) == []


class Running:
    """`storebox platform run` and what it has said."""

    def __init__(self, folder, *words):
        self.folder = folder
        self._words = [*STOREBOX, "platform", "run", *map(str, words)]

    def __enter__(self):
        self._log = (self.folder / "said").open("wb")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("STOREBOX_")}
        self._process = subprocess.Popen(
            self._words,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**environment, "PYTHONPATH": str(ROOT)},
        )
        assert self._process.stdout.readline().startswith(b"READY")
        return self

    def said(self):
        return (self.folder / "said").read_text()

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()
        self._log.close()


def test_run_without_a_broker_names_its_own_options(tmp_path):
    with Running(tmp_path, "--broker-port", 1) as running:
        until(lambda: "cannot be reached" in running.said(), "the complaint")
        assert (tmp_path / "platform.db").exists(), "the same default as its siblings'"
    assert "--broker-host" in running.said()
    assert "[broker]" not in running.said()


def test_run_says_when_it_is_connected_and_two_do_not_throw_each_other_out(mosquitto, tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    options = ("--broker-port", mosquitto.port)
    with Running(folders[0], *options) as one, Running(folders[1], *options) as two:
        for each in (one, two):
            until(lambda each=each: "connected to the broker" in each.said(), "the connection")
        until(lambda: mosquitto.log().count("storebox-platform-") >= 2, "both at the broker")
    assert "refused" not in one.said() + two.said()
    assert "already connected" not in mosquitto.log()


def test_run_warns_of_files_that_are_no_dataset(tmp_path):
    datasets = tmp_path / "datasets"
    datasets.mkdir()
    for name in ("catalog.json", "prices.json", "members.csv", "stock.draft", ".hidden"):
        (datasets / name).write_text("[]")
    with Running(tmp_path, "--broker-port", 1, "--datasets", datasets) as running:
        until(lambda: "members.csv" in running.said(), "the warnings")
    assert "catalog.json" in running.said()
    assert "'catalogue.json'" in running.said()
    for name in ("prices.json", "stock.draft", ".hidden"):
        assert name not in running.said()


# --- fleet


def test_a_fleet_without_a_broker_is_3_and_a_sentence():
    run = storebox("fleet", "simulate", "--port", 1, "--boxes", 2, "--duration-s", 1)
    assert (run.returncode, run.stdout) == (NOT_REACHABLE, "")
    assert "127.0.0.1:1 cannot be reached" in run.stderr
    assert "--port" in run.stderr
    assert run.stderr.count("\n") == 1


def test_a_fleet_that_is_not_let_in_is_told_so(tmp_path):
    broker = Broker(tmp_path, "allow_anonymous false")
    broker.start()
    try:
        run = storebox("fleet", "simulate", "--port", broker.port, "--boxes", 2)
    finally:
        broker.stop()
    assert run.returncode == FAILED
    assert "--password-file" in run.stderr


def test_a_fleet_without_its_password_file_is_a_sentence():
    run = storebox("fleet", "simulate", "--password-file", "/nowhere/secret")
    assert run.returncode == USAGE
    assert "/nowhere/secret" in run.stderr


def test_a_fleet_whose_platform_is_missing_says_so_and_how_far_it_is(mosquitto):
    options = ("--boxes", 3, "--spread-s", 0, "--duration-s", 3, "--interval-s", 0.1)
    run = storebox("fleet", "simulate", "--port", mosquitto.port, *options, "--json")
    assert run.returncode == OK
    assert json.loads(run.stdout)["batches_acknowledged"] == 0
    assert "3 of 3 connected" in run.stderr
    assert "storebox platform run" in run.stderr


def test_a_fleet_that_is_interrupted_prints_what_it_has(mosquitto):
    options = ("--boxes", "3", "--spread-s", "0", "--duration-s", "600", "--json")
    command = [*STOREBOX, "fleet", "simulate", "--port", str(mosquitto.port), *options]
    began = SystemClock().now().mono_ms
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    watch = threading.Timer(30, process.kill)
    watch.start()
    try:
        assert "connected" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    finally:
        watch.cancel()
        process.kill()
        process.wait()
    took_s = (SystemClock().now().mono_ms - began) / 1000
    report = json.loads(out)
    assert process.returncode == OK
    assert "Traceback" not in err
    assert report["connected"] == 3
    assert report["messages_per_s"] >= report["messages_out"] / took_s, "of the time it has run"
