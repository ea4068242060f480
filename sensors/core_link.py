"""A sensor's side of the socket: what `observe()` uses to speak to the core.

Plain and blocking. Observations are gathered into one frame until `poll` or a full frame sends
them; the end of the socket raises `CoreGone`, which ends the worker. It never stores a reading.
"""

import math
import select
import socket
import time
from collections import Counter
from typing import Any

from edge.clock import END_OF_TIME_MS, SystemClock
from edge.errors import BadWireFrame
from edge.notify import ALIVE, notify
from edge.records import Moment, Observation, Reading
from sensors import wire
from sensors.radar.survey import Survey


class CoreGone(Exception):
    """The core hung up: the worker ends."""


class CoreLink:
    """The connection of one sensor to the core, after `Configure` has arrived."""

    def __init__(self, connection: socket.socket, kind: str, pid: int) -> None:
        self._socket = connection
        self._reader = wire.FrameReader(down=True)
        self._pending: list[Observation] = []
        self._drops: Counter[str] = Counter()
        self._leave_until_s: dict[str, float] = {}
        self._leaves: Counter[str] = Counter()
        self._beat_s = 0.0
        self._health = wire.Health(True, "starting")
        self._mark_ms = 0
        self._replay_start_s: float | None = None
        self.salt = b""
        self.opt_out_key = b""
        self.opted_out: frozenset[bytes] = frozenset()
        self._send(wire.Hello(kind, pid))
        self.configuration = self._await_configuration()
        self._clock = SystemClock(self.configuration.boot)

    def _await_configuration(self) -> wire.Configure:
        early: list[Any] = []
        while True:
            messages = self._received()
            for index, message in enumerate(messages):
                if isinstance(message, wire.Configure):
                    self.salt = message.salt
                    self._apply([message.opt_outs] if message.opt_outs else [])
                    self._apply(early + messages[index + 1 :])
                    return message
            early += messages

    @property
    def secret(self) -> bytes:
        """The device's credential, empty if none is configured."""
        return self.configuration.secret

    # --- up

    def observe(self, reading: Reading, seen: Moment, quality: float = 1.0) -> None:
        """Report one reading; it leaves with the next `poll` or when a frame is full."""
        resume_ms = self.configuration.resume_after_ms
        if resume_ms is not None and seen.wall_ms <= resume_ms:
            return
        bounded = max(0.0, min(quality, 1.0))
        self._pending.append(Observation(self.configuration.sensor, seen, reading, bounded))
        if len(self._pending) >= wire.OBSERVATIONS_PER_FRAME_MAX:
            self.flush()

    def dropped(self, reason: str, count: int = 1) -> None:
        """Count input that was refused or lost; reported with the next heartbeat."""
        self._drops[reason] += count

    def healthy(self, state: str = "ok") -> None:
        """Say how the sensor is; repeated with every heartbeat until it changes."""
        self._set_health(wire.Health(True, state))

    def unhealthy(self, state: str, remedy: str) -> None:
        """Say what is wrong and what to do about it."""
        self._set_health(wire.Health(False, state, remedy))

    def _set_health(self, health: wire.Health) -> None:
        health = wire.Health(health.ok, _sendable(health.state), _sendable(health.remedy))
        if health != self._health:
            self._health = health
            self._heartbeat()

    def surveyed(self, survey: Survey) -> None:
        """Show what a radar hears; only with leave to survey."""
        self._send(wire.Surveyed(survey))

    def pictured(self, jpeg: bytes) -> None:
        """Show a technician what a camera sees; only with leave, and with faces blurred."""
        self._send(wire.Pictured(jpeg))

    def passed(self, seen: Moment) -> None:
        """A recording has been read up to `seen` (sent at most once per 100 ms of its time)."""
        if self.on_timeline and seen.wall_ms >= self._mark_ms + 100:
            self.flush()
            self._mark_ms = seen.wall_ms
            self._send(wire.Watermark(seen.wall_ms))

    def finish(self) -> None:
        """A recording is at its end: say so, then stay until the core hangs up."""
        self.flush()
        if self.on_timeline:
            self._send(wire.Watermark(END_OF_TIME_MS))
        self.healthy("finished")
        while True:
            self.poll(wire.HEARTBEAT_S)

    def flush(self) -> None:
        """Send what is gathered."""
        if self._pending:
            batch, self._pending = self._pending, []
            self._send_seen(batch)

    def _send_seen(self, batch: list[Observation]) -> None:
        try:
            frame = wire.encode(wire.Seen(batch))
        except BadWireFrame:  # many long codes at once; one alone always fits
            middle = len(batch) // 2
            self._send_seen(batch[:middle])
            self._send_seen(batch[middle:])
        else:
            self._send_bytes(frame)

    # --- time

    @property
    def on_timeline(self) -> bool:
        """Whether recorded time counts, not the machine's."""
        return self.configuration.timeline_start_ms is not None

    def moment(self, offset_ms: int) -> Moment:
        """The moment of a record that lies `offset_ms` after the start of its recording.

        Live devices pass anything: without a timeline it is the machine's present, in the boot
        that the core names (a locked-up sensor may not be able to ask the kernel).
        """
        start_ms = self.configuration.timeline_start_ms
        if start_ms is None:
            return self._clock.now()
        return Moment(start_ms + offset_ms, offset_ms, self.configuration.boot, True)

    def reach(self, offset_ms: int) -> Moment:
        """Wait until a record is due, as long after the start of the replay as it was recorded.

        On a timeline everything is due at once. Returns the moment that the record then has.
        """
        if self._replay_start_s is None:
            self._replay_start_s = time.monotonic()
        due_s = self._replay_start_s + offset_ms / 1000
        while not self.on_timeline and (wait_s := due_s - time.monotonic()) > 0:
            self.poll(min(wait_s, 1.0))
        return self.moment(offset_ms)

    # --- down

    def may(self, action: wire.Action) -> bool:
        """Whether the core has given leave for `action` and it has not run out."""
        return time.monotonic() < self._leave_until_s.get(action, -math.inf)

    def standing(self, action: wire.Action) -> bool:
        """Whether the leave for `action` has no end: it is the configuration's, nobody asked."""
        return self._leave_until_s.get(action) == math.inf

    def leave_number(self, action: wire.Action) -> int:
        """How often the core has given leave for `action`: a new number is a new request."""
        return self._leaves[action]

    def poll(self, timeout_s: float = 0.0) -> None:
        """Send what is gathered, keep the heartbeat, take what the core says. Call it often."""
        self.flush()
        if time.monotonic() - self._beat_s >= wire.HEARTBEAT_S:
            self._heartbeat()
        deadline_s = time.monotonic() + timeout_s
        while select.select([self._socket], [], [], max(0.0, deadline_s - time.monotonic()))[0]:
            self._apply(self._received())

    def fileno(self) -> int:
        """For a sensor that waits on its device and the core together."""
        return self._socket.fileno()

    def _heartbeat(self) -> None:
        self._beat_s = time.monotonic()
        notify(ALIVE)  # a hang under systemd ends by its watchdog
        self._send(self._health)
        if self._drops:
            self._send(wire.Dropped(dict(self._drops)))
            self._drops.clear()

    def _apply(self, messages: list[Any]) -> None:
        for message in messages:
            match message:
                case wire.Salt(salt=salt):
                    self.salt = salt
                case wire.OptOuts(key=key, marks=marks):
                    self.opt_out_key, self.opted_out = key, frozenset(marks)
                case wire.Leave():
                    self._apply_leave(message)

    def _apply_leave(self, leave: wire.Leave) -> None:
        """A leave for some seconds ends no standing one; only 0 seconds revokes."""
        if leave.seconds == 0:
            self._leave_until_s.pop(leave.action, None)
            return
        self._leaves[leave.action] += 1
        if leave.seconds is None:
            self._leave_until_s[leave.action] = math.inf
        elif self._leave_until_s.get(leave.action) != math.inf:
            self._leave_until_s[leave.action] = time.monotonic() + leave.seconds

    def _received(self) -> list[Any]:
        try:
            chunk = self._socket.recv(65536)
        except ConnectionResetError as error:  # it hung up without reading all we said
            raise CoreGone from error
        if not chunk:
            raise CoreGone
        return self._reader.feed(chunk)

    def _send(self, message: wire.Up) -> None:
        self._send_bytes(wire.encode(message))

    def _send_bytes(self, frame: bytes) -> None:
        try:
            self._socket.sendall(frame)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise CoreGone from error


def _sendable(sentence: str) -> str:
    """Short enough for the core, and without what no encoder takes (file names hold anything)."""
    cut = sentence[: wire.HEALTH_CHARACTERS_MAX]
    return cut.encode(errors="replace").decode()
