"""The stage of the demo: an embedded broker, a line that can be cut, the reference platform and the
ordinary daemon, each a process of its own, in a directory of their own.

Used by `edge/demo/play.py`. It knows no story; what it starts it also ends.
"""

import asyncio
import contextlib
import os
import pty
import shlex
import shutil
import sys
import tty
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.control import ask
from edge.errors import NotReachable, Refused, StoreboxError
from kiosk.pin import set_pin
from sensors.scenario.story import Story
from sync.reference.broker import EmbeddedBroker
from sync.reference.line import Line

READY_TIMEOUT_S = 60.0
END_TIMEOUT_S = 10.0
LOG_LINES_SHOWN = 12
TIMEZONE = "Europe/Moscow"
"""That of the shop."""
PROGRAMS = ("platform", "daemon")
"""What runs and has a log."""
HOLD = "shopper"
STAFF_PIN = "2468"
SENSORS = ("radar", "door", "scanner")


@dataclass(frozen=True, slots=True)
class Options:
    """How the demo is wanted. `platform` replaces the command of the reference platform."""

    scenario: Path
    directory: Path
    overlay: Path | None = None
    platform: str = ""
    kiosk_port: int = 0
    platform_port: int = 0


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs."""

    options: Options
    line: Line
    scanner_fd: int
    kiosk: str
    platform: str

    @property
    def control(self) -> Path:
        """The daemon's control socket."""
        return self.options.directory / "control.sock"

    @property
    def journal(self) -> Path:
        """What producers were promised."""
        return self.options.directory / "journal"

    @property
    def log(self) -> Path:
        """The platform's log of what it received."""
        return self.options.directory / "platform.db"

    async def ask(self, name: str, **arguments: Any) -> Any:
        """Ask the daemon."""
        return await asyncio.to_thread(ask, self.control, name, **arguments)

    def scan(self, text: str) -> None:
        """What a serial scanner does: the code and a carriage return."""
        os.write(self.scanner_fd, text.encode() + b"\r")


def make_empty(directory: Path) -> None:
    """Make the directory of a demo. Refused if anything lies there: it would be overwritten, or
    judged together with what this demo does.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        empty = next(directory.iterdir(), None) is None
    except OSError as error:
        raise Refused(
            f"The demo cannot use {directory}: {error.strerror}.", "Name another directory."
        ) from error
    if not empty:
        raise Refused(
            f"The directory {directory} is not empty.",
            "Name a new one, so that nothing is overwritten.",
        )


@asynccontextmanager
async def staged(options: Options, story: Story) -> AsyncIterator[Stage]:
    """Start everything, wait until it is ready, and end it all afterwards.

    The directory is there, and empty (`make_empty`).
    """
    directory = options.directory
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker())
        line = await Line.open(broker.port)
        stack.push_async_callback(line.close)
        master, slave = pty.openpty()
        stack.callback(os.close, master)
        stack.callback(os.close, slave)
        tty.setraw(slave)
        platform = await stack.enter_async_context(
            _running("platform", _platform_command(options, broker.port), directory)
        )
        set_pin(directory / "staff.pin", STAFF_PIN)
        config = directory / "storebox.toml"
        config.write_text(_configuration(options, story, line.port, os.ttyname(slave)))
        kiosk = await stack.enter_async_context(
            _running("daemon", _daemon_command(config, options.overlay), directory)
        )
        yield Stage(options, line, master, kiosk, platform)


def _platform_command(options: Options, broker_port: int) -> Sequence[str]:
    datasets = options.directory / "datasets"
    shutil.copytree(options.scenario / "platform", datasets, dirs_exist_ok=True)
    own = [sys.executable, "-m", "sync.reference.main"]
    return [
        *(shlex.split(options.platform) if options.platform else own),
        *("--broker-host", "127.0.0.1", "--broker-port", str(broker_port)),
        *("--port", str(options.platform_port)),
        *("--database", str(options.directory / "platform.db"), "--datasets", str(datasets)),
    ]


def _daemon_command(config: Path, overlay: Path | None) -> Sequence[str]:
    own = [sys.executable, "-m", "edge.cli.main", "run", "--dev", "--config", str(config)]
    return [*own, "--with", str(overlay)] if overlay else own


def _configuration(options: Options, story: Story, broker_port: int, scanner: str) -> str:
    """What the demo's box starts with: an ordinary configuration."""
    return _CONFIGURATION.format(
        here=options.directory,
        scenario=options.scenario,
        store=story.store,
        timezone=TIMEZONE,
        start_ms=story.start_ms,
        hold=HOLD,
        broker_port=broker_port,
        kiosk_port=options.kiosk_port,
        scanner=scanner,
    )


_CONFIGURATION = """\
[box]
tenant = "demo"
store = "{store}"
box = "box-1"

[state]
directory = "{here}/state"
control_socket = "{here}/control.sock"
journal = "{here}/journal"

[clock]
source = "scenario"
start_ms = {start_ms}
holds = ["{hold}"]

[recognition]
mode = "zone"
legal_basis = "demonstration with made-up people"

[faces]
models = "{here}/models"

[broker]
port = {broker_port}
first_retry_s = 0.1
retry_max_s = 0.5
visit_flush_s = 0.1
bulk_flush_s = 0.3

[kiosk]
port = {kiosk_port}
staff_pin_file = "{here}/staff.pin"
timezone = "{timezone}"
store_name = "Кит и компания"
places = {{ MSK-018 = "Сокольники", MSK-021 = "Тверская", warehouse = "Склад" }}

[sensors.radar]
kind = "wifi"
device = "simulated:{scenario}/radar.pcap"

[sensors.door]
kind = "face"
device = "simulated:{scenario}/door.json"
silence_s = 60

[sensors.door.lines.threshold]
from = [0.0, 0.54]
to = [1.0, 0.54]
inside = "below"

[sensors.scanner]
kind = "code"
device = "{scanner}"
screen = "main"
"""


@asynccontextmanager
async def _running(name: str, command: Sequence[str], directory: Path) -> AsyncIterator[str]:
    """A process that says on one line where it can be reached; that address. Ends it afterwards."""
    log = directory / f"{name}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=errors, start_new_session=True
        )
    assert process.stdout is not None
    try:
        yield await _address(name, process.stdout, log)
    finally:
        await _end(process)


async def _address(name: str, output: asyncio.StreamReader, log: Path) -> str:
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            while line := (await output.readline()).decode():
                address = next((word for word in line.split() if word.startswith("http")), None)
                if address:
                    return address
    except TimeoutError:
        pass
    raise NotReachable(f"The demo's {name} did not start.", _last_words(name, log))


def last_words(directory: Path) -> str:
    """What daemon and platform said last, to be shown before the directory is removed."""
    logs = ((name, directory / f"{name}.log") for name in PROGRAMS)
    return "\n".join(_last_words(name, log) for name, log in logs if log.exists())


def _last_words(name: str, log: Path) -> str:
    last = log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
    return "\n".join([f"The last words of the {name}:", *(last or ["(nothing)"])])


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(END_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def build_scenario(directory: Path, seed: int, progress: Any) -> None:
    """Build the scenario in its own process (it loads native libraries); lines to `progress`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sensors.scenario", str(directory), str(seed),
        stdin=DEVNULL, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        while line := await process.stdout.readline():
            progress(line.decode().rstrip())
        _, errors = await process.communicate()
    except asyncio.CancelledError:
        await _end(process)
        raise
    if process.returncode != 0:
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        raise StoreboxError("The scenario could not be built.", " ".join(last))
