"""The composition root: Config -> objects -> one TaskGroup -> ready -> orderly stop.

Called by `storebox run`. The core is put together here and nowhere else; nothing is decided here.
"""

import asyncio
import logging
import resource
import signal
import time
import zlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edge.clock import Clock, ScenarioClock, SystemClock
from edge.config import Config, load
from edge.control import ControlServer, Question
from edge.counters import Counters
from edge.errors import StoreboxError
from edge.intake import Intake
from edge.lease import Lease
from edge.notify import ALIVE, READY, STOPPING, notify, watchdog_s
from edge.operation import (
    access,
    answers,
    diagnosing,
    enrolment,
    figure_facts,
    forgetting,
    hearing,
    opt_outs,
    people,
    radars,
    salt,
    settings,
    syncing,
)
from edge.operation.figures import Rolling
from edge.operation.opt_outs import OptOuts
from edge.operation.outpost import Lent, Outpost
from edge.operation.phone_codes import PhoneCodes
from edge.operation.primary import asked_of
from edge.operation.satellites import Satellites
from edge.operation.sensors import Reach, started, supervise
from edge.operation.timeline import timeline_questions
from edge.operation.version import version
from edge.operation.viewing import shown_questions
from edge.ordering.desk import OrderingDesk
from edge.presence.desk import Faces, PresenceDesk, Scan
from edge.presence.enrolment import Enrolment
from edge.presence.withdrawals import Withdrawals
from edge.sections import ClockSource
from edge.sensor_spec import SensorSpec
from edge.storage.database import Database
from kiosk import app as pages
from kiosk.server import serve
from kiosk.session import Screens
from sensors import wire
from sync.batch import BatchSealing
from sync.calls import Calls
from sync.link import Link
from sync.relay import Relay
from sync.relaying import SatelliteUplinks

log = logging.getLogger(__name__)

OVERWRITING = {
    "GLIBC_TUNABLES": "glibc.malloc.perturb=90:glibc.malloc.tcache_count=0",
    "PYTHONMALLOC": "malloc",
}
"""With this in its environment, which its unit gives it, the C library overwrites what the core
frees, Python's small pieces included: of a member who withdrew nothing lies about."""
SLOW_WORKERS = 2
"""Threads for slow calls (argon2 and the like); see ARCHITECTURE.md, Processes."""
LAST_EVENTS_S = 2.0
"""With the line up, the last figures of the day may still leave; else they wait on the box."""
EXIT_OK, EXIT_FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class Box:
    """The parts of a running box."""

    config: Config
    clock: Clock
    counters: Counters
    database: Database
    presence: PresenceDesk
    intake: Intake
    screens: Screens
    enrolment: Enrolment
    link: Link
    lease: Lease
    calls: Calls
    satellites: Satellites | None
    opt_outs: OptOuts
    workers: Executor
    specs: tuple[SensorSpec, ...]


def run(path: Path, overlay: Path | None = None, *, children: bool = False) -> int:
    """Run the daemon until SIGTERM or SIGINT; its exit code. Errors of ours become one sentence."""
    logging.basicConfig(
        level=logging.INFO, format="%(levelname).1s %(name)s: %(message)s", force=True
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold vectors
    failed: list[StoreboxError] = []
    try:
        asyncio.run(live(load(path, overlay), children=children))
    except* StoreboxError as group:
        failed = _leaves(group)
    for error in failed:
        log.error("%s", error)
    return EXIT_FAILED if failed else EXIT_OK


async def live(config: Config, *, children: bool = False) -> None:
    """Put the box together, say that it is ready, and run it until a signal says stop.

    With `children` the core starts all sensors itself, whatever sockets systemd offers.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    questions: dict[str, Question] = {}
    control = ControlServer(Path(config.state.control_socket), questions)
    await control.start()  # first of all: there is only one daemon on a database
    try:
        async with _assembled(config) as box, _pages(box) as address:
            questions |= _questions(box, address)
            await box.opt_outs.begin()
            await box.enrolment.begin()
            await radars.declare(config, box.database, box.clock, box.counters)
            print(f"storebox is ready: {address}", flush=True)
            notify(READY)
            await _work(box, stopping, children=children)
    finally:
        await control.close()


@asynccontextmanager
async def _assembled(config: Config) -> AsyncIterator[Box]:
    journal = Path(config.state.journal) if config.state.journal else None
    sealing = BatchSealing(settings.address(config))
    database = Database.open(Path(config.state.directory), journal, sealing=sealing)
    workers = ThreadPoolExecutor(SLOW_WORKERS, thread_name_prefix="slow")
    try:
        yield assemble(config, database, workers)
    finally:
        workers.shutdown(cancel_futures=True)
        database.close()


def assemble(config: Config, database: Database, workers: Executor) -> Box:
    """All parts, connected; nothing runs yet. A satellite's sensors are its primary's, not ours."""
    specs = () if config.satellite.primary else settings.sensor_specs(config)
    clock = _clock(config, specs)
    counters = Counters()
    lease = Lease(database, clock, lease_s=settings.lease_s(config), counters=counters)
    presence = PresenceDesk(database, clock, settings.presence(config), counters, workers)
    ground = enrolment.Ground(database, clock, counters, lease, Intake(clock, list(specs)))
    faces = _faces(config, ground, presence, specs)
    ordering = OrderingDesk(database, clock, config.box)
    screens = Screens(ordering, presence, clock, settings.kiosk(config), faces)
    satellites, relays = _satellites(config, database, clock, counters)
    heard = hearing.put_together(config, ground, presence, screens, relays)
    line = settings.link(config)
    box = Box(
        config=config,
        clock=clock,
        counters=counters,
        database=database,
        presence=presence,
        intake=ground.intake,
        screens=screens,
        enrolment=faces,
        link=Link(database, clock, settings=line, downward=heard.downward, counters=counters),
        lease=lease,
        calls=heard.calls,
        satellites=satellites,
        opt_outs=OptOuts(database, clock, ground.intake),
        workers=workers,
        specs=specs,
    )
    heard.commands.report_with(partial(_report, box))
    return box


def _faces(
    config: Config, ground: enrolment.Ground, presence: PresenceDesk, specs: Sequence[SensorSpec]
) -> Enrolment:
    """What happens to faces: they are described and matched, and enrolled."""
    _leave_to_embed(ground.lease, presence, ground.intake)
    return enrolment.put_together(config, ground, presence, specs)


def _leave_to_embed(lease: Lease, presence: PresenceDesk, intake: Intake) -> None:
    """Faces are described when a screen asks, and matched only as long as the lease holds."""
    embed = wire.Action.EMBED
    in_zone = presence.face_mode is Faces.ZONE

    async def changed(holds: bool) -> None:
        presence.match_faces(holds)
        if not holds:
            await intake.revoke(embed)
        elif in_zone:
            await intake.renew(embed)

    presence.recognise_with(lambda screen, seconds: intake.grant(embed, seconds, screen))
    presence.match_faces(lease.holds)
    if in_zone and lease.holds:
        intake.stand(embed)
    lease.on_change(changed)


def _satellites(
    config: Config, database: Database, clock: Clock, counters: Counters
) -> tuple[Satellites | None, SatelliteUplinks | None]:
    """The lines to and for the satellites of this shop, if this box is their primary."""
    if config.shop_broker is None:
        return None, None
    home, relay = settings.address(config), Relay(database, counters)
    near = settings.broker_of(config, config.shop_broker, "-shop")
    satellites = Satellites(near, home, relay=relay, counters=counters)
    return satellites, SatelliteUplinks(home, database, clock, relay, counters)


def _clock(config: Config, specs: Sequence[SensorSpec]) -> Clock:
    if config.clock.source is ClockSource.SYSTEM:
        return SystemClock()
    recorded = {spec.name for spec in specs if spec.recorded}
    return ScenarioClock(config.clock.start_ms, frozenset(recorded | set(config.clock.holds)))


@asynccontextmanager
async def _pages(box: Box) -> AsyncIterator[str]:
    """Serve the pages; gives their address."""
    phones = PhoneCodes(box.calls, box.database) if box.config.broker.host else None
    settled, workers = box.screens.settings, box.workers
    app = pages.create(box.screens, box.presence, settled, workers=workers, phones=phones)
    kiosk = box.config.kiosk
    serving = await serve(app, kiosk.host, kiosk.port)
    try:
        yield f"http://{kiosk.host}:{serving.port}/"
    finally:
        await serving.close()


def _questions(box: Box, address: str) -> dict[str, Question]:
    parts = answers.Parts(
        config=box.config,
        clock=box.clock,
        counters=box.counters,
        database=box.database,
        sensors=box.intake.statuses,
        link=box.link.status,
        lease=box.lease,
        kiosk=lambda: address,
        started=box.clock.now(),
    )
    of_people = opt_outs.questions(box.opt_outs, parts.database.reading)
    of_people |= access.questions(parts.database.reading)
    of_people |= people.questions(
        box.database, Withdrawals(box.database, box.clock, box.presence.reload)
    )
    return {
        **answers.questions(parts),
        **timeline_questions(box.clock, box.intake),
        **shown_questions(box.intake),
        **figure_facts.questions(box.database, box.clock, box.config.kiosk.timezone),
        **asked_of(box.config.satellite.primary, of_people),
    }


async def _work(box: Box, stopping: asyncio.Event, *, children: bool) -> None:
    """Everything that goes on until the stop; then the orderly end of it."""
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(work, name=name)
            for name, work in _sensors(box, children=children).items()
        ]
        if box.satellites is not None:
            tasks.append(group.create_task(box.satellites.run(), name="satellites"))
        pump = group.create_task(_pump(box), name="pump")
        tasks.append(group.create_task(box.screens.run(), name="screens"))
        found = partial(_diagnosis, box)
        telling = diagnosing.diagnose(box.database, box.clock, box.counters, found)
        tasks.append(group.create_task(telling, name="diagnostics"))
        tasks.append(group.create_task(salt.rotate(box.intake, box.clock), name="salt"))
        rolling = Rolling(box.database, box.clock, box.counters, box.config.kiosk.timezone)
        tasks.append(group.create_task(rolling.run(), name="figures"))
        tasks.append(group.create_task(box.lease.run(), name="lease"))
        limits = settings.retention(box.config)
        forgotten = forgetting.tasks(box.database, box.clock, box.counters, limits)
        tasks += [group.create_task(work, name=name) for name, work in forgotten.items()]
        line = group.create_task(box.link.run(), name="link")
        await stopping.wait()
        notify(STOPPING)
        for task in tasks:
            task.cancel()
        await box.enrolment.close()
        box.intake.close()  # the pump ends by itself, between two batches
        await asyncio.wait([*tasks, pump])
        await box.presence.close()
        await box.link.drained(LAST_EVENTS_S if box.link.status().connected else 0)
        await box.link.stop()
        line.cancel()


def _sensors(box: Box, *, children: bool) -> dict[str, Coroutine[Any, Any, None]]:
    """What keeps the sensors running, by name: for our intake, or lent to the primary."""
    config, seed = box.config, zlib.crc32(box.config.box.box.encode())
    if config.satellite.primary is None:
        return {
            f"sensor-{spec.name}": supervise(
                spec, _reach(box, spec, children=children), box.intake, seed
            )
            for spec in box.specs
        }
    specs = settings.sensor_specs(config)
    lent = [Lent(spec, _reach(box, spec, children=children)) for spec in specs]
    broker = settings.broker_of(config, config.broker, "-sensors")
    return {"outpost": Outpost(broker, settings.address(config), lent, box.counters).run()}


def _reach(box: Box, spec: SensorSpec, *, children: bool) -> Reach:
    """How the worker of a sensor is reached: a satellite's, systemd's socket, or as our child."""
    if spec.remote and box.satellites is not None:
        return partial(box.satellites.reach, spec.device)
    path = "" if children else settings.socket_path(box.config, spec.name)
    return partial(started, spec.kind, spec.name, path)


async def _pump(box: Box) -> None:
    """Observations to the presence desk, its scans to the screens; feeds the watchdog."""
    period_s = watchdog_s()
    fed_s = 0.0
    async for batch in box.intake.batches():
        for scan in await box.presence.observe(batch):
            await _show(box, scan)
        if period_s is not None and time.monotonic() - fed_s > period_s / 3:
            fed_s = time.monotonic()
            notify(ALIVE)


async def _show(box: Box, scan: Scan) -> None:
    screen = box.intake.screen_of(scan.sensor)
    if not screen:
        return
    try:
        await box.screens.scanned(screen, scan.text, scan.member)
    except StoreboxError as error:
        box.counters.add("scans_not_shown")
        log.warning("screen %s: %s", screen, error)


def _diagnosis(box: Box) -> dict[str, Any]:
    sensors = (box.intake.status(spec.name) for spec in box.specs)
    return diagnosing.diagnosis(box.counters, sensors)


def _report(box: Box) -> dict[str, Any]:
    """What the platform's command `box.report` is answered with."""
    status = syncing.running(
        box.database,
        settings.identity(box.config),
        link=box.link.status(),
        lease=box.lease,
        now=box.clock.now(),
    )
    return {"version": version(), "sync": status, **_diagnosis(box)}


def _leaves(group: BaseExceptionGroup[StoreboxError]) -> list[StoreboxError]:
    found: list[StoreboxError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
