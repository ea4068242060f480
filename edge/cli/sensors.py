"""`storebox sensors`: what is connected, and trying one of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli import exits, printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile

if TYPE_CHECKING:
    from edge.config import Config
    from edge.operation.trial import Trial
    from edge.records import SensorStatus

SECONDS_MAX = 600

app = typer.Typer(help="The sensors of this box.", no_args_is_help=True)


@app.command("list")
def list_(config: ConfigFile = CONFIG_FILE, json: AsJson = False) -> None:
    """Show every configured sensor and how it is."""
    from edge.cli.reaching import from_daemon
    from edge.cli.status import show_sensors
    from edge.config import load
    from edge.errors import NotReachable
    from edge.records import SensorStatus

    loaded = load(config)
    unreachable: NotReachable | None = None
    try:
        sensors = from_daemon(loaded, tuple[SensorStatus, ...], "sensors")
    except NotReachable as error:
        unreachable = error
        sensors = _configured(loaded, error)
    if json:
        printing.as_json({"sensors": sensors})
    else:
        show_sensors(sensors)
    if unreachable is not None:
        raise unreachable


def _configured(config: "Config", error: Exception) -> "tuple[SensorStatus, ...]":
    from edge.records import SensorStatus

    return tuple(
        SensorStatus(name, section.kind, section.device, "not read: no daemon", ok=False)
        for name, section in config.sensors.items()
    )


@app.command("test")
def try_one(
    name: Annotated[str, typer.Argument(help="The NAME of [sensors.NAME].")],
    seconds: Annotated[float, typer.Option(min=0.5, max=SECONDS_MAX, help="How long.")] = 5.0,
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Watch one sensor for a few seconds: is it well, and does it see anything?

    Works with the daemon and, when it is dead, by starting the sensor alone. Shows counts only.
    """
    from edge.config import load

    loaded = load(config)
    if name not in loaded.sensors:
        known = ", ".join(loaded.sensors) or "none"
        raise typer.BadParameter(f"There is no sensor '{name}'. Configured: {known}.")
    trial = _tried(loaded, name, seconds)
    if json:
        printing.as_json(trial)
    else:
        _show(trial)
    if not trial.ok:
        raise typer.Exit(exits.FAILED)


def _tried(config: "Config", name: str, seconds: float) -> "Trial":
    from edge.errors import NotReachable
    from edge.operation import trial

    with printing.progress(f"watching {name}") as progress:
        try:
            return trial.watched(Path(config.state.control_socket), name, seconds, progress)
        except NotReachable as error:
            printing.say(f"{error.what} Starting the sensor alone.")
            return trial.alone(config, name, seconds, progress)


def _show(trial: "Trial") -> None:
    printing.pairs(
        [
            ("sensor", f"{trial.sensor} ({trial.kind})"),
            ("result", printing.verdict(trial.ok)),
            ("state", trial.state),
            ("observed", trial.observed or "nothing"),
            ("dropped", trial.dropped or "nothing"),
        ]
    )
    if not trial.ok and trial.remedy:
        print(printing.printable(f"\n{trial.remedy}"))
