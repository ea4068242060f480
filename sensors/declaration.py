"""What a sensor file declares about itself, so that reading it loads no native library.

Each sensor module (`sensors/wifi.py`, `face.py`, `code.py`) has one `SENSOR` and one
`observe(core, device, options)`. The configuration validates options against it, the systemd
drop-in is generated from `needs`, and the conformance test runs over all of them.
"""

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache

import msgspec

import sensors
from edge.errors import ConfigError
from sensors.radar.options import RadarOptions

_INFRASTRUCTURE = {
    "core_link",
    "declaration",
    "radar",
    "recorded",
    "scenario",
    "senders",
    "wire",
    "worker",
}


@dataclass(frozen=True, slots=True)
class Needs:
    """The only privileges the sensor's process gets."""

    capabilities: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sensor:
    """One kind of sensor: its name, its options' type (a frozen struct), what it needs.

    What a `local_only` one hears names people, so that it may not cross the shop's broker: it
    stands at the box whose core uses it, never at a satellite.
    """

    kind: str
    options: type[msgspec.Struct]
    needs: Needs
    local_only: bool = False

    @property
    def is_radar(self) -> bool:
        """Whether it hears phones: hours, opt-outs and counts concern it."""
        return issubclass(self.options, RadarOptions)


@cache
def kinds() -> tuple[str, ...]:
    """All kinds that can be configured, by the files in this package."""
    names = {module.name for module in pkgutil.iter_modules(sensors.__path__)}
    return tuple(sorted(names - _INFRASTRUCTURE))


def declared(kind: str) -> Sensor:
    """The declaration of `kind`. ConfigError with the list of kinds when there is none."""
    if kind not in kinds():
        raise ConfigError(
            f"There is no sensor kind '{kind}'.", f"Use one of: {', '.join(kinds())}."
        )
    sensor = importlib.import_module(f"sensors.{kind}").SENSOR
    assert isinstance(sensor, Sensor)
    return sensor
