"""`storebox demo`: a seeded shop morning on simulated devices, on this machine, without root.

The box that runs is the ordinary daemon; broker and reference platform stand beside it. With
`--exit` it plays the morning as fast as it can and says whether every promise was kept; without,
it plays it at a pace one can watch and stays until it is stopped.
"""

import asyncio
import os
import signal
import socket
import sys
import tempfile
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from edge.cli import exits
from edge.cli.options import AsJson
from edge.errors import StoreboxError

if TYPE_CHECKING:
    from edge.demo.play import Findings, Play, Tell
    from edge.demo.stage import Options, Stage

WATCHABLE_SPEED = 60.0
"""Story seconds a second: the morning takes two minutes."""

Exit = Annotated[bool, typer.Option("--exit", help="Play it fast, judge, and end.")]
Keep = Annotated[
    Path | None, typer.Option("--keep", help="Keep everything in this empty directory.")
]
With = Annotated[
    Path | None, typer.Option("--with", help="Configuration values over those of the demo's box.")
]
Platform = Annotated[
    str, typer.Option("--platform", help="A command to run instead of the reference platform.")
]
Seed = Annotated[int, typer.Option("--seed", help="Another seed is another morning.", min=0)]


def demo(
    end: Exit = False,
    json: AsJson = False,
    keep: Keep = None,
    overlay: With = None,
    platform: Platform = "",
    seed: Seed = 7,
) -> None:
    """Show the whole product on this machine, with simulated devices."""
    from edge.demo.stage import Options

    scenario = _cache() / f"scenario-{seed}"
    with tempfile.TemporaryDirectory(prefix="storebox-demo-") as temporary:
        options = Options(
            scenario=scenario,
            directory=(keep or Path(temporary)).resolve(),
            overlay=overlay.resolve() if overlay else None,
            platform=platform,
            kiosk_port=0 if end else _usual_port(8480),
            platform_port=0 if end else _usual_port(8490),
        )
        try:
            code = asyncio.run(_demo(options, seed, end=end, json=json))
        except (KeyboardInterrupt, asyncio.CancelledError):
            _say("The demo has ended.")
            code = exits.OK
    raise typer.Exit(code)


async def _demo(options: "Options", seed: int, *, end: bool, json: bool) -> int:
    from edge.demo.play import Play
    from edge.demo.stage import TIMEZONE, build_scenario, last_words, make_empty, staged
    from sensors.scenario.story import load

    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    make_empty(options.directory)
    _say("Making the scenario (kept for the next time) ...")
    await build_scenario(options.scenario, seed, lambda line: _say(f"  {line}"))
    story = load(options.scenario)
    _say("Starting broker, platform and box ...")
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(staged(options, story))
        play = Play(stage, story, options.scenario, _tell_in(ZoneInfo(TIMEZONE)))
        _greet(stage)
        _say(f"  Times are those of the shop ({TIMEZONE}).")
        try:
            await play.begin()
            await play.perform(None if end else WATCHABLE_SPEED)
            if not end:
                return await _stay(play, stage)
            code = _judged(await play.finish(), json=json)
        except StoreboxError:
            _say(last_words(options.directory))
            raise
        if code != exits.OK:
            _say(last_words(options.directory))
        return code


def _judged(findings: "Findings", *, json: bool) -> int:
    import msgspec

    result, verdict = findings.result, findings.verdict
    for reason in findings.false_reasons:
        _say(f"FALSE RECOGNITION: {reason}")
    for number in findings.orders_missing:
        _say(f"LOST ORDER: {number}")
    if verdict.altered or verdict.disordered:
        _say(f"ALTERED: {verdict.altered}, OUT OF ORDER: {verdict.disordered}")
    if verdict.unpromised:
        _say(f"NEVER PROMISED: {verdict.unpromised}")
    if not verdict.created:
        _say("NOTHING WAS PROMISED: the box made no event at all.")
    for reason in findings.missed:
        _say(f"not recognised: {reason}")
    if json:
        print(msgspec.json.encode(result).decode(), flush=True)
    else:
        events = result.events
        _say(
            f"{result.visits_opened} visits, {result.members_recognised} members recognised,"
            f" {result.false_recognitions} falsely; {result.orders_placed} orders."
        )
        _say(
            f"{events.created} events promised, {events.acknowledged} at the platform,"
            f" {events.lost} lost, {events.duplicated} doubled; {result.seconds} s."
        )
    return exits.OK if findings.good else exits.FAILED


async def _stay(play: "Play", stage: "Stage") -> int:
    """The morning is over: the shop stays open, in real time, for whoever wants to try it."""
    _say("")
    _say("The morning is over, and the shop stays open: try the kiosk.")
    if sys.stdin.isatty():
        _say("Type or paste a code here and press Enter: that is a scan.")
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin, lambda: stage.scan(sys.stdin.readline().strip()))
    _greet(stage)
    while True:
        now_ms = (await stage.ask("timeline"))["now_ms"]
        await play.reach(now_ms + 1000, 1.0)


def _greet(stage: "Stage") -> None:
    from edge.demo.stage import STAFF_PIN

    _say(f"  Kiosk:    {stage.kiosk}")
    _say(f"  Staff:    {stage.kiosk}staff   (PIN {STAFF_PIN})")
    _say(f"  Platform: {stage.platform}")
    _say("  Stop it with Ctrl-C.")


def _tell_in(zone: ZoneInfo) -> "Tell":
    """Tells the spectator what happened, at the time that the shop's clock shows."""

    def tell(at_ms: int, what: str) -> None:
        _say(f"{datetime.fromtimestamp(at_ms / 1000, zone):%H:%M:%S}  {what}")

    return tell


def _say(line: str) -> None:
    """For the spectator: standard error, so that the result stands alone on standard output."""
    print(line, file=sys.stderr, flush=True)


def _usual_port(port: int) -> int:
    """`port` if it is free, else 0: any."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "storebox"
