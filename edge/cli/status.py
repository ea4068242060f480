"""`storebox status`, `storebox version` and `storebox --version`: the box on one screen."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli import printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile

if TYPE_CHECKING:
    from edge.operation.facts import BoxStatus, StreamDepth
    from edge.records import SensorStatus


def status(config: ConfigFile = CONFIG_FILE, json: AsJson = False) -> None:
    """Show the running box on one screen."""
    from edge.config import load

    loaded = load(config)
    if json:
        from edge.control import ask

        printing.as_json(ask(Path(loaded.state.control_socket), "status"))
        return
    from edge.cli.reaching import from_daemon
    from edge.operation.facts import BoxStatus

    _show(from_daemon(loaded, BoxStatus, "status"))


def _show(box: "BoxStatus") -> None:
    line = "connected" if box.link.connected else f"not connected. {box.link.reason}".strip()
    if box.link.silent:
        line = "connected, but the platform does NOT answer"
    trust = "trusted" if box.clock.trusted else "NOT synchronised"
    printing.pairs(
        [
            ("box", f"{box.box} (storebox {box.version})"),
            ("running for", printing.duration(box.uptime_s)),
            ("clock", f"{printing.local_time(box.clock.wall_ms)}, {box.clock.source}, {trust}"),
            ("recognition", box.recognition),
            ("in the shop", f"{box.visits_open} visits"),
            ("members known", box.members),
            ("line", line),
            ("kiosk", box.kiosk),
            ("memory", f"{box.memory_rss_bytes >> 20} MiB"),
            ("dropped", box.counters),
        ]
    )
    print()
    show_sensors(box.sensors)
    print()
    show_streams(box.outbox)
    remedies = [box.link.remedy] if not box.link.connected and box.link.remedy else []
    for remark in (*remedies, *box.link.alarms):
        print(f"\nLine: {printing.printable(remark)}")


def show_sensors(sensors: "tuple[SensorStatus, ...]") -> None:
    """A table of sensors, and under it what to do about those that are not well."""
    printing.table(
        ("sensor", "kind", "", "state", "observed", "last", "dropped", "restarts"),
        (
            (
                sensor.name,
                sensor.kind,
                printing.verdict(sensor.ok),
                sensor.state,
                sensor.observations,
                printing.local_time(sensor.last_seen_ms),
                sensor.dropped,
                sensor.restarts,
            )
            for sensor in sensors
        ),
        empty="No sensor is configured.",
    )
    for sensor in sensors:
        if not sensor.ok and sensor.remedy:
            print(printing.printable(f"{sensor.name}: {sensor.remedy}"))


def show_streams(streams: "tuple[StreamDepth, ...]") -> None:
    """A table of the outbox's streams."""
    printing.table(
        ("stream", "waiting", "produced", "acknowledged", "oldest waiting"),
        (
            (
                depth.stream.value,
                depth.waiting,
                depth.last_seq,
                depth.upto,
                printing.local_time(depth.oldest_wall_ms),
            )
            for depth in streams
        ),
    )


def _version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


def options(
    wanted: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """The software of a small computer that stands in a shop."""


def version(json: AsJson = False) -> None:
    """Show which storebox this is."""
    import platform

    from edge.operation.version import version as installed

    facts = {"version": installed(), "python": platform.python_version()}
    if json:
        printing.as_json(facts)
    else:
        typer.echo(f"storebox {facts['version']} (Python {facts['python']})")
