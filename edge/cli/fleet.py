"""`storebox fleet`: a simulated fleet at a broker, to see what so many boxes cost."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli import printing
from edge.cli.options import AsJson

if TYPE_CHECKING:
    from sync.reference.fleet import Report, Tally

NOBODY_ANSWERED = """\
No batch was acknowledged: no platform answers at this broker.
Start one: storebox platform run"""

app = typer.Typer(help="A simulated fleet.", no_args_is_help=True)


@app.callback()
def fleet() -> None:
    """A simulated fleet."""


@app.command()
def simulate(
    boxes: Annotated[int, typer.Option(min=1, help="How many.")] = 2000,
    host: Annotated[str, typer.Option(help="The broker's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The broker's.")] = 1883,
    spread_s: Annotated[float, typer.Option(min=0, help="Connect within so many seconds.")] = 30.0,
    duration_s: Annotated[float, typer.Option(min=1, help="Stop after so many.")] = 60.0,
    interval_s: Annotated[float, typer.Option(min=0.1, help="Between a box's batches.")] = 30.0,
    events: Annotated[int, typer.Option(min=1, max=500, help="In each batch.")] = 50,
    seed: Annotated[int, typer.Option(help="The same seed makes the same plan.")] = 1,
    tenant: Annotated[str, typer.Option(help="Of the simulated boxes.")] = "fleet",
    username: Annotated[str, typer.Option(help="How they log in.")] = "",
    password_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, readable=True, help="Of --username.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Connect boxes that do not exist, let them send, and measure it; Ctrl-C ends it early."""
    import asyncio

    from sync.reference.fleet import Plan, simulate

    plan = Plan(
        host=host,
        port=port,
        boxes=boxes,
        spread_s=spread_s,
        duration_s=duration_s,
        interval_s=interval_s,
        events=events,
        seed=seed,
        tenant=tenant,
        username=username,
        password=password_file.read_text().strip() if password_file else "",
    )
    _show(asyncio.run(simulate(plan, _tell)), json=json)


def _show(report: "Report", *, json: bool) -> None:
    if report.batches_sent and not report.batches_acknowledged:
        printing.say(NOBODY_ANSWERED)
    if json:
        printing.as_json(report)
    else:
        printing.table(("figure", "value"), _figures(report), empty="")


def _tell(elapsed_s: float, tally: "Tally", boxes: int) -> None:
    printing.say(
        f"{elapsed_s:.0f} s: {tally.connected} of {boxes} connected, {tally.sent} batches sent,"
        f" {tally.acknowledged} acknowledged, {tally.lost} connections lost"
    )


def _figures(report: "Report") -> list[tuple[str, str]]:
    first, again = report.first_connects, report.reconnects
    return [
        ("boxes, connected at the end", f"{report.boxes}, {report.connected}"),
        ("first connects: mean, peak", f"{first.mean:.1f}/s, {first.peak}/s ({first.ratio:.2f})"),
        ("reconnects: mean, peak", f"{again.mean:.1f}/s, {again.peak}/s ({again.ratio:.2f})"),
        ("lost connections", str(report.lost_connections)),
        ("batches sent, acknowledged", f"{report.batches_sent}, {report.batches_acknowledged}"),
        ("batches sent again", str(report.batches_sent_again)),
        ("events acknowledged", str(report.events_acknowledged)),
        ("messages out, in", f"{report.messages_out}, {report.messages_in}"),
        ("messages a second", f"{report.messages_per_s:.1f}"),
        ("bytes out, in", f"{report.bytes_out}, {report.bytes_in}"),
        (
            "until acknowledged: median, p99",
            f"{report.ack_ms_median:.0f} ms, {report.ack_ms_p99:.0f} ms",
        ),
        ("problems", ", ".join(f"{name} {n}" for name, n in report.problems.items()) or "none"),
    ]
