"""How many devices a radar heard in one window.

Pure: fed by `Radar` with hashed devices, asked once at the end of the window. It holds hashes until
then and nothing afterwards.
"""

from edge.records import CountReading
from sensors.radar.record import Heard

DEVICES_MAX = 20_000
"""A flood of invented addresses costs bounded memory; what is beyond is counted as one number."""


class Counter:
    """One window."""

    def __init__(self, gate_dbm: int | None) -> None:
        self._gate_dbm = gate_dbm
        self._begin()

    def _begin(self) -> None:
        self._frames = 0
        self._presence_only = 0
        self._overflow = 0
        self._near: dict[int, bool] = {}
        self._kinds: dict[int, bytes | None] = {}

    def add(self, heard: Heard, device: int) -> None:
        """One transmission of `device` (a keyed hash of its address)."""
        self._frames += 1
        if heard.presence_only:
            self._presence_only += 1
            return
        if device not in self._near and len(self._near) >= DEVICES_MAX:
            self._overflow += 1
            return
        gate = self._gate_dbm
        near = gate is None or heard.rssi_dbm is None or heard.rssi_dbm >= gate
        self._near[device] = near or self._near.get(device, False)
        self._kinds[device] = heard.fingerprint if heard.randomised else None

    def closed(self, lasted_ms: int) -> CountReading:
        """The numbers of the window, and an empty window in its place."""
        near = [device for device, inside in self._near.items() if inside]
        kinds = [self._kinds[device] for device in near]
        devices = kinds.count(None) + len({kind for kind in kinds if kind is not None})
        reading = CountReading(
            lasted_ms=lasted_ms,
            frames=self._frames,
            addresses=len(self._near),
            devices=devices,
            devices_low=devices,
            devices_high=len(near),
            passers=len(self._near) - len(near),
            presence_only=self._presence_only,
            overflow=self._overflow,
        )
        self._begin()
        return reading
