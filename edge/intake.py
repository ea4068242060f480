"""Where observations come in: one connection per sensor, frames to observations, limits, silence.

The supervisor (`edge/operation/sensors.py`) hands each connection to `serve`; the daemon takes
batches from `batches` and gives them to the desks. In scenario time the intake merges the sensors
in order of time and moves the clock; in real time it hands on what has arrived.
"""

import asyncio
import re
import secrets
import socket
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import msgspec

from edge.clock import END_OF_TIME_MS, Clock, ScenarioClock
from edge.errors import BadWireFrame, DeviceGone, Refused
from edge.records import Moment, Observation, SensorStatus
from edge.sensor_spec import SensorSpec
from edge.showing import PICTURE_S, SURVEY_S, Showing
from edge.tracks import Tracks
from sensors import wire
from sensors.declaration import declared
from sensors.radar.survey import Survey

BATCH_MAX = 500
"""Observations per transaction: from here on the fsync no longer matters."""
HELD_MAX = 20_000
"""Observations waiting per sensor; beyond it the core stops reading and the sensor waits."""
STEP_MS = 10_000
"""Scenario time moves at most this far at once, so that windows and visits end when they should."""
IDLE_S = 1.0
"""An empty batch at least this often lets the desks notice that time passes."""
RECEIVE_BYTES = 256 * 1024
DROP_REASONS_MAX, DROP_REASON_CHARACTERS_MAX = 64, 40
"""They travel upstream; a sensor of ours has a dozen."""
SEND_S_MAX = 5.0
"""A sensor that takes nothing for so long is about to be found silent."""
SALT_BYTES = 16
SALT_LIFETIME_S = 4 * 3600
"""What was heard in one part of the day cannot be joined with what was heard in another."""


@dataclass(slots=True)
class SensorLine:
    """What the intake knows of one sensor, across its restarts."""

    spec: SensorSpec
    held: deque[Observation] = field(default_factory=deque)
    observations: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    health: wire.Health = field(default_factory=lambda: wire.Health(False, "not connected"))
    latest: Moment | None = None
    """Of its newest observation."""
    restarts: int = 0
    connection: socket.socket | None = None
    tracks: Tracks = field(default_factory=Tracks)
    showing: Showing = field(default_factory=Showing)
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Two messages at once would mix their bytes."""

    @property
    def last_seen_ms(self) -> int | None:
        """Wall time of its newest observation, None before the first."""
        return self.latest.wall_ms if self.latest is not None else None


class Intake:
    """All sensors' connections of one box."""

    def __init__(
        self, clock: Clock, specs: list[SensorSpec], *, survey_s: float = SURVEY_S
    ) -> None:
        self._clock = clock
        self._survey_s = survey_s
        self._scenario = clock if isinstance(clock, ScenarioClock) else None
        self._start_ms = clock.now().wall_ms
        self._lines = {spec.name: SensorLine(spec) for spec in specs}
        self._salt = secrets.token_bytes(SALT_BYTES)
        self._opt_outs: wire.OptOuts | None = None
        self._standing: dict[wire.Action, float | None] = {}
        self._arrived = asyncio.Event()
        self._taken = asyncio.Condition()
        self._closing = False
        self.idle = False
        """Whether everything that may be handed on has been taken and worked on."""

    # --- one connection

    async def serve(self, name: str, connection: socket.socket) -> None:
        """Speak with one sensor until it hangs up (DeviceGone) or breaks the protocol."""
        line = self._lines[name]
        line.connection = connection
        connection.setblocking(False)
        try:
            await self._greet(line)
            await self._receive(line, connection)
        finally:
            line.connection = None
            self._end_tracks(line)

    async def _greet(self, line: SensorLine) -> None:
        spec, scenario = line.spec, self._scenario
        line.tracks.connect()
        timeline = scenario is not None and spec.recorded
        configure = wire.Configure(
            sensor=spec.name,
            device=spec.device,
            options=spec.options,
            salt=self._salt,
            boot=self._clock.now().boot,
            timeline_start_ms=self._start_ms if timeline else None,
            resume_after_ms=line.last_seen_ms if timeline else None,
            secret=spec.secret(),
            opt_outs=self._opt_outs if declared(spec.kind).is_radar else None,
        )
        await self._send(line, configure)
        for action, seconds in self._standing.items():
            await self._send(line, wire.Leave(action, seconds))

    async def _receive(self, line: SensorLine, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = wire.FrameReader(down=False)
        buffer = bytearray(RECEIVE_BYTES)
        while True:
            try:
                async with asyncio.timeout(line.spec.silence_s):
                    size = await loop.sock_recv_into(connection, buffer)
            except TimeoutError as error:
                raise DeviceGone(
                    f"Sensor {line.spec.name} has been silent for {line.spec.silence_s:g} s.",
                    "It is restarted; if this repeats, check the device.",
                ) from error
            except ConnectionResetError:
                size = 0
            if size == 0:
                raise self._ended(line)
            with memoryview(buffer) as view:
                messages = reader.feed(view[:size])
            buffer[:size] = bytes(size)  # vectors pass through here
            for message in messages:
                self._take(line, message)
            await self._room(line)

    def _take(self, line: SensorLine, message: object) -> None:
        match message:
            case wire.Seen(observations=observations):
                self._hold(line, observations)
            case wire.Watermark(wall_ms=wall_ms) if self._scenario is not None:
                self._scenario.report(line.spec.name, wall_ms)
                self._arrived.set()
            case wire.Health() as health:
                line.health = health
            case wire.Dropped(counts=counts):
                _count(line.dropped, counts)
            case wire.Surveyed(survey=survey):
                line.showing.keep(survey, self._survey_s)
            case wire.Pictured(jpeg=jpeg):
                line.showing.hand_over(jpeg)
            case wire.Hello(kind=kind) if kind != line.spec.kind:
                raise BadWireFrame(f"Sensor {line.spec.name} is of kind '{kind}'.")

    def _hold(self, line: SensorLine, observations: list[Observation]) -> None:
        if len(observations) > wire.OBSERVATIONS_PER_FRAME_MAX:
            raise BadWireFrame(f"Sensor {line.spec.name} sent {len(observations)} at once.")
        live = line.spec.remote or (self._scenario is not None and not line.spec.recorded)
        for observation in observations:
            if observation.sensor != line.spec.name:
                raise BadWireFrame(f"Sensor {line.spec.name} speaks for {observation.sensor}.")
            if live:  # another box, or a live device in a recorded morning: it happens now
                now = self._clock.now()
                observation = msgspec.structs.replace(observation, seen=now)
            told = line.tracks.take(observation)
            if len(told) != 1:
                line.dropped["track_beyond_limit" if told else "gone_unknown"] += 1
            line.held += told
            line.latest = observation.seen
        line.observations += len(observations)
        self._arrived.set()

    def _end_tracks(self, line: SensorLine) -> None:
        """Nobody will say any more that those who are in view have gone."""
        if line.latest is not None:
            line.held += line.tracks.end(line.spec.name, line.latest)
            self._arrived.set()

    async def _room(self, line: SensorLine) -> None:
        async with self._taken:
            await self._taken.wait_for(lambda: len(line.held) < HELD_MAX)

    def _ended(self, line: SensorLine) -> DeviceGone:
        if line.health.ok:
            return DeviceGone(f"The process of sensor {line.spec.name} ended.", "It is restarted.")
        return DeviceGone(line.health.state, line.health.remedy)

    # --- down to the sensors

    def stand(self, action: wire.Action) -> None:
        """Give leave for `action` to every sensor for as long as it is connected."""
        self._standing[action] = None

    async def renew(self, action: wire.Action) -> None:
        """Give leave for `action` to every sensor, those that are connected too."""
        self.stand(action)
        await self._send_all(wire.Leave(action, None))

    async def revoke(self, action: wire.Action) -> None:
        """Take leave for `action` from every sensor, standing or for some seconds."""
        self._standing.pop(action, None)
        await self._send_all(wire.Leave(action, 0.0))

    async def grant(self, action: wire.Action, seconds: float, screen: str) -> list[str]:
        """Give leave for `seconds` to the sensors of one screen; their names. A camera that belongs
        to no screen gets none.
        """
        of_screens = [line for line in self._lines.values() if line.spec.screen]
        concerned = [line for line in of_screens if line.spec.screen == screen]
        for line in concerned:
            if line.connection is not None:
                await self._send(line, wire.Leave(action, float(seconds)))
        return [line.spec.name for line in concerned]

    async def survey(self, name: str) -> Survey | None:
        """Let a radar show what it hears for some seconds; its newest picture, None before one.

        Refused if there is no such sensor here, or it does not run.
        """
        line = self._running_here(name)
        line.showing.ask_survey(self._survey_s)
        await self._send(line, wire.Leave(wire.Action.SURVEY, self._survey_s))
        return line.showing.survey

    async def picture(self, name: str) -> bytes:
        """What a camera sees, with every face blurred, as JPEG; kept by nobody but the caller.

        Refused if there is no such camera here, or it does not run or shows nothing in time.
        """
        line = self._running_here(name)
        if line.spec.kind != "face":
            raise Refused(f"Sensor {name} is no camera.", "Name one of kind 'face'.")
        coming = line.showing.expect(name)
        try:
            async with asyncio.timeout(PICTURE_S):
                await self._send(line, wire.Leave(wire.Action.PICTURE, PICTURE_S))
                return await coming
        except TimeoutError as error:
            raise Refused(
                f"The camera {name} showed no picture: {line.health.state}.",
                line.health.remedy or "A recording that is at its end shows none; try again.",
            ) from error
        finally:
            coming.cancel()
            await self._send(line, wire.Leave(wire.Action.PICTURE, 0.0))

    def _running_here(self, name: str) -> SensorLine:
        line = self._lines.get(name)
        if line is None or line.spec.remote:
            raise Refused(
                f"This daemon runs no sensor '{name}' itself.",
                "Ask on the box that it is plugged into, with the daemon there stopped.",
            )
        if line.connection is None:
            raise Refused(f"Sensor {name} does not run: {line.health.state}", line.health.remedy)
        return line

    async def rotate_salt(self) -> None:
        """A new key for the hashes of addresses: what was heard before can no longer be joined."""
        self._salt = secrets.token_bytes(SALT_BYTES)
        await self._send_all(wire.Salt(self._salt))

    async def leave_out(self, opt_outs: wire.OptOuts) -> None:
        """Let no radar count these people, from now on; no other sensor hears of them."""
        self._opt_outs = opt_outs
        for line in self._lines.values():
            if declared(line.spec.kind).is_radar:
                await self._send(line, opt_outs)

    async def _send_all(self, message: wire.Down) -> None:
        for line in self._lines.values():
            await self._send(line, message)

    async def _send(self, line: SensorLine, message: wire.Down) -> None:
        if line.connection is None:
            return
        try:
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(SEND_S_MAX), line.sending:
                await loop.sock_sendall(line.connection, wire.encode(message))
        except (OSError, TimeoutError):
            return  # its `serve` sees the end of the connection and says so

    # --- out to the desks

    async def batches(self) -> AsyncIterator[list[Observation]]:
        """Batches in order, at most `BATCH_MAX` long; empty ones let time be noticed."""
        take: Callable[[], list[Observation] | None]
        take = self._step if self._scenario is not None else self._newest
        while not self._closing:
            self._arrived.clear()
            batch = take()
            if batch is None:
                if await self._something_arrived():
                    continue
                batch = []
            async with self._taken:
                self._taken.notify_all()
            yield batch

    def close(self) -> None:
        """End `batches`: what has not been handed on yet has not been accepted."""
        self._closing = True
        self._arrived.set()

    async def _something_arrived(self) -> bool:
        self.idle = True
        try:
            async with asyncio.timeout(IDLE_S):
                await self._arrived.wait()
        except TimeoutError:
            return False
        finally:
            self.idle = False
        return True

    def moved(self) -> None:
        """Somebody else (a hold of the scenario) may have let time go on."""
        self._arrived.set()

    def _newest(self) -> list[Observation] | None:
        """Real time: what has arrived, sensor by sensor."""
        batch: list[Observation] = []
        for line in self._lines.values():
            while line.held and len(batch) < BATCH_MAX:
                batch.append(line.held.popleft())
        return batch or None

    def _step(self) -> list[Observation] | None:
        """Scenario time: what all sensors have passed, in order, at most one step of it."""
        scenario = self._scenario
        assert scenario is not None
        now_ms, safe_ms = scenario.now().wall_ms, scenario.safe_ms
        if safe_ms >= END_OF_TIME_MS:  # all recordings are at their end: so is their time
            ends = [line.held[-1].seen.wall_ms for line in self._lines.values() if line.held]
            safe_ms = max(ends, default=now_ms)
        until_ms = min(now_ms + STEP_MS, safe_ms)
        batch: list[Observation] = []
        while len(batch) < BATCH_MAX:
            heads = [line for line in self._lines.values() if line.held]
            first = min(heads, key=_head_ms, default=None)
            if first is None or _head_ms(first) > until_ms:
                break
            batch.append(first.held.popleft())
        scenario.move(batch[-1].seen.wall_ms if len(batch) == BATCH_MAX else until_ms)
        return batch if batch or scenario.now().wall_ms > now_ms else None

    # --- what is known

    def status(self, name: str) -> SensorStatus:
        """One sensor as status and doctor show it; no credential of its address in it."""
        line = self._lines[name]
        connected = line.connection is not None
        return SensorStatus(
            name=name,
            kind=line.spec.kind,
            device=re.sub(r"//[^@/]*@", "//", line.spec.device),
            state=line.health.state,
            ok=connected and line.health.ok,
            remedy=line.health.remedy,
            observations=line.observations,
            dropped=dict(line.dropped),
            restarts=line.restarts,
            last_seen_ms=line.last_seen_ms,
        )

    def statuses(self) -> list[SensorStatus]:
        """All sensors, by configuration order."""
        return [self.status(name) for name in self._lines]

    def restarting(self, name: str, why: str, remedy: str) -> None:
        """The supervisor says that a sensor failed and will be started again."""
        line = self._lines[name]
        line.restarts += 1
        line.health = wire.Health(False, why, remedy)

    def screen_of(self, name: str) -> str:
        """The screen that a sensor belongs to; empty if none."""
        return self._lines[name].spec.screen


def _count(total: Counter[str], counts: dict[str, int]) -> None:
    for reason, count in counts.items():
        known = reason in total or len(total) < DROP_REASONS_MAX
        total[reason[:DROP_REASON_CHARACTERS_MAX] if known else "other"] += count


def _head_ms(line: SensorLine) -> int:
    return line.held[0].seen.wall_ms
