"""What the papers speak of, out of the configuration and out of the limits in the code.

A number that stands in a paper comes from here or from `lifetimes`, which have it from where the
code itself has it. Pure.
"""

from msgspec import Struct

from edge.config import Config
from edge.errors import ConfigError
from edge.operation import radars, settings
from edge.operation.lifetimes import BINDING_DAYS
from edge.operation.papers.paper import Both
from edge.operation.radars import RadarDeclaration
from edge.presence.footfall import CELL_MIN
from edge.sections import RecognitionMode
from sensors.declaration import declared

_DAYS = {
    "mon": "пн",
    "tue": "вт",
    "wed": "ср",
    "thu": "чт",
    "fri": "пт",
    "sat": "сб",
    "sun": "вс",
    "daily": "ежедневно",
}


class Facts(Struct, frozen=True):
    """One shop. `cell_min` is the smallest number of phones that is told to the platform.

    `radars_elsewhere` stand at satellites, whose own papers have their settings. `hotspots` tell of
    logins to the shop's Wi-Fi, after which a member's phone is known for `binding_days`.
    A visit is told as a member's from the probability `identified`, to staff alone from `suggested`
    on; `target_fpir` is the share of strangers to whom a face may give a name.
    """

    operator: str
    contact: str
    store: str
    faces: RecognitionMode
    legal_basis: str
    identified: float
    suggested: float
    target_fpir: float
    lease_h: int
    visit_silence_s: int
    cameras: tuple[str, ...]
    radars: tuple[RadarDeclaration, ...]
    radars_elsewhere: tuple[str, ...]
    hotspots: tuple[str, ...]
    binding_days: int
    recipient: str
    cell_min: int

    @property
    def has_radars(self) -> bool:
        """Whether phones are heard in this shop, by this box or by a satellite of it."""
        return bool(self.radars or self.radars_elsewhere)

    @property
    def window_s_max(self) -> int:
        """The longest that a radar tells one phone from another."""
        return max((radar.window_s for radar in self.radars), default=0)


def facts(config: Config) -> Facts:
    """ConfigError if nobody answers for the shop: a sign without a contact is of no use."""
    if not config.privacy.contact:
        raise ConfigError(
            "The configuration does not say whom people can ask.",
            'Add to it: [privacy] contact = "privacy@shop.example", and operator = "the company".',
        )
    return Facts(
        operator=config.privacy.operator or config.kiosk.store_name,
        contact=config.privacy.contact,
        store=config.kiosk.store_name,
        faces=config.recognition.mode,
        legal_basis=config.recognition.legal_basis,
        identified=config.recognition.identified,
        suggested=config.recognition.suggested,
        target_fpir=config.recognition.target_fpir,
        lease_h=config.platform.lease_h,
        visit_silence_s=config.recognition.visit_silence_s,
        cameras=tuple(name for name, each in config.sensors.items() if each.kind == "face"),
        radars=radars.declarations(config),
        radars_elsewhere=tuple(
            spec.name
            for spec in settings.sensor_specs(config)
            if declared(spec.kind).is_radar and spec.remote
        ),
        hotspots=tuple(name for name, each in config.sensors.items() if each.kind == "radius"),
        binding_days=BINDING_DAYS,
        recipient=config.broker.host,
        cell_min=CELL_MIN,
    )


def hours_of(radar: RadarDeclaration) -> Both:
    """When it counts."""
    if not radar.hours:
        return Both("круглосуточно", "day and night")
    russian = ", ".join(_in_russian(line) for line in radar.hours)
    margin, zone = radar.hours_margin_s // 60, f" ({radar.timezone})" if radar.timezone else ""
    return Both(
        f"{russian}{zone}, а также {margin} мин до открытия и после закрытия",
        f"{', '.join(radar.hours)}{zone}, and {margin} min before and after",
    )


def _in_russian(line: str) -> str:
    days, _, times = line.partition(" ")
    return f"{'-'.join(_DAYS[day] for day in days.split('-'))} {times}"


def gate_of(radar: RadarDeclaration) -> Both:
    """How strong a signal is taken for one from inside."""
    if radar.rssi_gate_dbm is None:
        return Both("без порога", "no gate")
    return Both(f"от {radar.rssi_gate_dbm} дБм", f"from {radar.rssi_gate_dbm} dBm")


def channels_of(radar: RadarDeclaration) -> Both:
    """On which channels it listens."""
    if not radar.channels:
        return Both("заданы приёмником", "set at the receiver")
    listed = ", ".join(map(str, radar.channels))
    return Both(listed, listed)
