"""Where the sensors stand, as far as visits care: at which screen, and which of them see the door.

Made from the configuration by `edge/operation/settings.py`, read by the presence desk and the book
of visits. Pure; a sensor that nobody described stands anywhere in the shop.
"""

from collections.abc import Mapping

from msgspec import Struct


class SensorPlace(Struct, frozen=True):
    """Where one sensor stands: `screen` is the one that it belongs to (empty: none), `entrance`
    says that it counts whoever crosses the lines at the door."""

    screen: str = ""
    entrance: bool = False


ANYWHERE = SensorPlace()


class Places:
    """The places of all sensors of one box."""

    def __init__(self, sensors: Mapping[str, SensorPlace]) -> None:
        self._sensors = dict(sensors)
        self.has_entrance = any(place.entrance for place in sensors.values())
        """Whether some camera sees everybody who comes in, so that no other opens visits."""

    def is_entrance(self, sensor: str) -> bool:
        """Whether whoever crosses its lines comes in or goes out."""
        return self._sensors.get(sensor, ANYWHERE).entrance

    def screen_of(self, sensor: str) -> str:
        """The screen that `sensor` belongs to; empty if none."""
        return self._sensors.get(sensor, ANYWHERE).screen

    def at_screen(self, screen: str) -> frozenset[str]:
        """The sensors that belong to `screen`."""
        if not screen:
            return frozenset()
        return frozenset(name for name, at in self._sensors.items() if at.screen == screen)
