"""`storebox sync`: how the box stands with its platform, on one screen.

Asks the running daemon; reads the database while it is dead. It changes nothing.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from edge.cli import printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile

if TYPE_CHECKING:
    from edge.operation.syncing import CommandFacts, LeaseFacts, LineFacts, SyncStatus
    from edge.records import Stream

app = typer.Typer(help="The line to the platform.", no_args_is_help=True)

KEYS = {
    "file": "in a file that only the daemon can read",
    "tpm": "in the machine's TPM",
    "none": "not protected",
}
NO_ACK = "none since the daemon was started"
NOBODY_KNOWS = "not known while the daemon does not run"


@app.callback()
def _one_command_may_stand_alone() -> None:
    """The line to the platform."""


@app.command()
def status(config: ConfigFile = CONFIG_FILE, json: AsJson = False) -> None:
    """Show whether the box is connected, what waits for the platform, and what came from it."""
    from edge.cli.reaching import from_anywhere
    from edge.clock import SystemClock
    from edge.config import load
    from edge.operation import settings, syncing
    from edge.storage.inspection import backlog
    from sync.batch import BatchSealing

    loaded = load(config)
    directory, sealing = Path(loaded.state.directory), BatchSealing(settings.address(loaded))
    identity, now = settings.identity(loaded), SystemClock().now()
    found = from_anywhere(
        loaded,
        syncing.SyncStatus,
        lambda connection, _: syncing.stopped(
            syncing.Files(connection, backlog(connection, directory, sealing)), identity, now
        ),
        "sync",
    )
    if json:
        printing.as_json(found)
    else:
        _show(found)


def _show(found: "SyncStatus") -> None:
    trust = "synchronised" if found.clock.trusted else "NOT synchronised"
    printing.pairs(
        [
            ("box", f"{found.box}, epoch {found.epoch}"),
            ("line", _line(found.line, found.now_ms)),
            ("last answer", _last_answer(found.line, found.now_ms)),
            ("platform", _lease(found.lease)),
            ("commands", _commands(found.commands, found.now_ms)),
            ("erased", f"{found.erased} people on the platform's order, never to come back"),
            ("clock", f"{printing.local_time(found.now_ms)}, {found.clock.source}, {trust}"),
            ("keys", KEYS[found.key]),
        ]
    )
    print()
    _show_streams(found)
    print()
    printing.table(
        ("dataset", "version", "generation", "applied", "age"),
        (
            (
                each.name,
                each.version,
                each.generation,
                printing.local_time(each.applied_ms),
                _age(each.applied_ms, found.now_ms),
            )
            for each in found.datasets
        ),
        empty="The platform has sent no dataset yet.",
    )
    for remark in (*found.line.alarms, *([found.line.remedy] if found.line.remedy else [])):
        print(f"\n{printing.printable(remark)}")


def _show_streams(found: "SyncStatus") -> None:
    printing.table(
        ("stream", "waiting", "oldest", "produced", "acknowledged", "given up", "accepted"),
        (
            (
                lag.depth.stream.value,
                lag.depth.waiting,
                _age(lag.depth.oldest_wall_ms, found.now_ms),
                lag.depth.last_seq,
                lag.depth.upto,
                lag.evicted,
                _accepted(found.line, lag.depth.stream),
            )
            for lag in found.streams
        ),
    )


def _last_answer(line: "LineFacts", now_ms: int) -> str:
    return _ago(line.last_ack_ms, now_ms) or (NO_ACK if line.daemon else NOBODY_KNOWS)


def _accepted(line: "LineFacts", stream: "Stream") -> str:
    """Whether the platform takes a stream now, as far as anybody can know."""
    known = line.connected and not line.silent
    return line.refused.get(stream, "yes" if known else "-")


def _line(line: "LineFacts", now_ms: int) -> str:
    since = f" for {_age(line.since_ms, now_ms)}" if line.since_ms is not None else ""
    if not line.connected:
        return f"NOT connected{since}. {line.reason}".strip()
    parts = [f"connected{since}", f"MQTT {line.protocol}" if line.protocol else ""]
    if line.silent:
        parts.append("but the platform does NOT answer")
    elif line.rtt_ms is not None:
        parts.append(f"the platform answers within {line.rtt_ms} ms")
        parts.append(f"at most {line.window} batches unanswered at once")
    return ", ".join(part for part in parts if part)


def _lease(lease: "LeaseFacts") -> str:
    heard = "never heard yet"
    if lease.met:
        heard = f"heard {printing.duration(lease.silent_s)} ago"
    limit = printing.duration(lease.lease_s)
    if lease.holds:
        left = printing.duration(lease.lease_s - lease.silent_s)
        return f"{heard}; faces may be matched for another {left} of silence"
    return f"{heard}, more than {limit}: NO face is matched until it is heard"


def _commands(commands: "CommandFacts", now_ms: int) -> str:
    if not commands.keys:
        return "none are obeyed: [platform] key_file names no keys"
    if not commands.newest:
        return "signed ones are obeyed; none came yet"
    newest = commands.newest[0]
    outcome = "done" if newest.ok else f"refused: {newest.reason}"
    when = _ago(newest.wall_ms, now_ms)
    return f"{commands.last} came so far; the newest {newest.type} {when}: {outcome}"


def _ago(wall_ms: int | None, now_ms: int) -> str:
    return "" if wall_ms is None else f"{_age(wall_ms, now_ms)} ago"


def _age(wall_ms: int | None, now_ms: int) -> str:
    """How long ago; a dash for never. A clock that was set back shows as nothing."""
    return "-" if wall_ms is None else printing.duration(max(0, now_ms - wall_ms) / 1000)
