"""What the screens need to know of their shop, as plain values, and the limits of this room.

Made by the daemon from the configuration file (which this room may not read); used all over
`kiosk`. It reads nothing itself.
"""

from msgspec import Struct

from edge.errors import ConfigError

SCREENS_MAX = 16
"""Screens of one box; each costs a watcher and a cart."""
WARNING_S_MIN = 20
"""WCAG 2.2, 2.2.1: whoever is warned of a time-out has at least this long to extend it."""
LIVE_CONNECTIONS_MAX = 24
"""Open live streams of all screens and tablets together."""
BODY_BYTES_MAX = 8 * 1024
"""Largest request body: our forms hold a handful of short fields."""
FIELD_MAX = 128
"""Longest text of one form field."""


class KioskSettings(Struct, frozen=True):
    """The shop, its screens and its people's habits.

    `store` is the stock place that means "here"; `places` gives other places their names.
    `host_names` are accepted in the Host header beside the loopback names and the address the
    connection came in by. `remote_screens` lets screens be used from other machines; else they
    answer loopback only, and other machines reach the staff page alone. `staff_pin_hash` is
    what `kiosk.pin.read_pin` gives; without it the staff page stays closed. `timezone` is an
    IANA name; empty means that of the machine. `operator` and `contact` stand in the consent to
    faces, as does whether templates are sent up (`templates_sent_up`).
    """

    store: str = ""
    store_name: str = "storebox"
    places: dict[str, str] = {}
    currency: str = "RUB"
    language: str = "ru"
    timezone: str = ""
    screens: tuple[str, ...] = ("main",)
    host_names: tuple[str, ...] = ()
    remote_screens: bool = False
    recognition: bool = True
    staff_pin_hash: str = ""
    idle_s: float = 60
    warning_s: float = 30
    operator: str = ""
    contact: str = ""
    templates_sent_up: bool = False

    def __post_init__(self) -> None:
        if self.warning_s < WARNING_S_MIN:
            raise ConfigError(
                f"The idle warning of {self.warning_s:g} s is too short.",
                f"Make it at least {WARNING_S_MIN} s, so that slow people can answer.",
            )
        if not 1 <= len(self.screens) <= SCREENS_MAX:
            raise ConfigError(
                f"{len(self.screens)} screens were named.", f"Name 1 to {SCREENS_MAX} of them."
            )
