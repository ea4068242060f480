"""The sections of the configuration file, as frozen types: one struct for each `[section]`.

Read by `edge/config.py`, which finds them in the file; defaults here are what a shop gets that says
nothing. Pure declarations.
"""

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge.codes.context import HOSTS_MAX, LAYOUTS_MAX, RANGES_MAX, Layout, LoyaltyRange

Name = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$",
        description="at most 41 letters, digits, '.', '_' or '-', the first a letter or digit",
    ),
]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$", description="three capital letters (RUB)")]
Language = Annotated[str, Meta(pattern="^(ru|en)$", description="one of: ru, en")]
Port = Annotated[int, Meta(ge=0, le=65535)]
Protocol = Annotated[
    Literal["auto", "5", "3.1.1"], Meta(description='one of: "auto", "5", "3.1.1"')
]
HostName = Annotated[
    str,
    Meta(pattern=r"^[a-z0-9.-]{1,253}$", description="a host's name in small letters"),
]
Probability = Annotated[float, Meta(gt=0, lt=1)]


class BoxSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[box]`: which box this is. The three names are the prefix of its MQTT topics."""

    tenant: Name
    store: Name
    box: Name
    number: Annotated[int, Meta(ge=1, le=99)] = 1
    currency: Currency = "RUB"
    language: Language = "ru"


class StateSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[state]`: where the box keeps what must survive a restart.

    `journal` names a file in which every promise to a producer is written down (event ids with
    a hash of their bodies); proofs of "nothing lost" compare it with the platform's log.
    """

    directory: str = "/var/lib/storebox"
    control_socket: str = "/run/storebox/control.sock"
    journal: str = ""


class ClockSource(StrEnum):
    """Where time comes from."""

    SYSTEM = "system"
    SCENARIO = "scenario"


class ClockSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[clock]`: real time, or the time of a recording (`start_ms`; `holds` also move it)."""

    source: ClockSource = ClockSource.SYSTEM
    start_ms: int = 0
    holds: tuple[Name, ...] = ()


class RecognitionMode(StrEnum):
    """When face templates may be computed."""

    ON_REQUEST = "on_request"
    ZONE = "zone"
    OFF = "off"


class Profile(StrEnum):
    """Under whose law faces are matched."""

    EU = "eu"
    RU = "ru"


class RecognitionSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[recognition]`: when faces may be matched, and how sure the box must be.

    `profile` "ru" needs `accreditation_ref`, the operator's accreditation under 572-FZ, unless the
    mode is off. `target_fpir` is the share of strangers who may get any name. `calibration` is a
    table of `storebox faces calibrate`; without it the one that it wrote beside the models decides,
    else the one that comes with the model. With `send_templates` a member who enrols here is known
    in the whole chain: the template goes up, sealed for the platform alone (`[platform]
    encryption_key_file`).
    """

    mode: RecognitionMode = RecognitionMode.ON_REQUEST
    profile: Profile = Profile.EU
    legal_basis: str = ""
    accreditation_ref: Annotated[str, Meta(max_length=200)] = ""
    identified: Probability = 0.99
    suggested: Probability = 0.8
    target_fpir: Annotated[float, Meta(ge=1e-6, le=0.05)] = 0.001
    calibration: str = ""
    send_templates: bool = False
    visit_silence_s: Annotated[int, Meta(ge=10, le=86400)] = 900


class FacesSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[faces]`: where the files of face models lie, and which model describes faces.

    `model` is an id that `storebox models list` shows, or "auto": the best one that is installed.
    Sensors read the directory under users of their own, so everybody must be able to.
    """

    models: str = "/var/lib/storebox-models"
    model: Annotated[str, Meta(min_length=1, max_length=64)] = "auto"


class CodesSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[codes]`: the shop's own numbers: loyalty cards, weighed goods, hosts of its own links.

    `cards` are ranges of card numbers; `layouts` say what the digits of in-store codes are.
    """

    cards: Annotated[tuple[LoyaltyRange, ...], Meta(max_length=RANGES_MAX)] = ()
    layouts: Annotated[tuple[Layout, ...], Meta(max_length=LAYOUTS_MAX)] = ()
    hosts: Annotated[tuple[HostName, ...], Meta(max_length=HOSTS_MAX)] = ()


class BrokerSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[broker]`: the MQTT broker of the platform, how to log in, and how patient to be.

    Secrets are read from files, at each attempt: `password_file` (with `username`), or `token_file`
    in its place, or a device certificate (`cert_file` and `key_file`, as `storebox enrol` writes
    them). `tls` encrypts the line (1.3 or nothing) and trusts what the system trusts; `ca_file`
    names the one authority that is trusted instead, and turns `tls` on, as `cert_file` does.
    `protocol` "auto" is MQTT 5, or 3.1.1 where the broker does not understand 5.

    `keepalive_s` bounds how long a line that fell silent goes unnoticed (1.5 times as long).
    `visit_flush_s` and `bulk_flush_s` are how long visits and counts may wait for their batch to
    fill; orders never wait. After a lost connection the first retry comes within `first_retry_s`
    - a random part of it, so that a whole chain does not come back in one second - and each
    further one within twice the time of the one before, `retry_max_s` at most.
    """

    host: str = "127.0.0.1"
    port: Port = 1883
    username: str = ""
    password_file: str = ""
    token_file: str = ""
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    protocol: Protocol = "auto"
    keepalive_s: Annotated[int, Meta(ge=5, le=600)] = 60
    visit_flush_s: Annotated[float, Meta(ge=0, le=60)] = 1.0
    bulk_flush_s: Annotated[float, Meta(ge=0, le=600)] = 30.0
    first_retry_s: Annotated[float, Meta(ge=0.05, le=300)] = 30.0
    retry_max_s: Annotated[float, Meta(ge=0.1, le=3600)] = 300.0


class SatelliteSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[satellite]`: this box lends its sensors to `primary`, another box of the same shop.

    `[broker]` is then the shop's own broker, and so is the primary's `[shop_broker]`. Sensors run
    only while the primary asks for them (`device = "satellite:BOX/SENSOR"` there); events of this
    box reach the platform through the primary, under this box's name.
    """

    primary: Name | None = None


class PlatformSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[platform]`: whose word the box takes, and how long it matches faces without hearing it.

    `key_file` holds the platform's public keys (one `kid base64` a line, Ed25519). Without it the
    box carries out no command, and takes datasets on the broker's word alone. What only the
    platform may read is sealed for the public key in `encryption_key_file` (one line: a name and
    the base64 of an X25519 key).
    """

    key_file: str = ""
    encryption_key_file: str = ""
    lease_h: Annotated[int, Meta(ge=1, le=24 * 30)] = 72


class KioskSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[kiosk]`: where the pages are served, which screens there are, what places are called.

    `staff_pin_file` holds an argon2 hash of the PIN; `places` names other stores by their code.
    """

    host: str = "127.0.0.1"
    port: Port = 8480
    staff_pin_file: str = ""
    screens: tuple[Name, ...] = ("main",)
    store_name: str = "storebox"
    places: dict[str, str] = {}
    timezone: str = ""
    idle_s: Annotated[float, Meta(ge=10, le=3600)] = 60
    host_names: tuple[str, ...] = ()
    remote_screens: bool = False


class PrivacySection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[privacy]`: who answers for what the box does, and how people reach them.

    Both stand on the sign at the door and in the documents of `storebox privacy documents`.
    """

    operator: Annotated[str, Meta(max_length=200)] = ""
    contact: Annotated[str, Meta(max_length=200)] = ""


class RetentionSection(Struct, frozen=True, forbid_unknown_fields=True):
    """`[retention]`: how many days ended visits, orders and the log of consents are kept.

    A visit that is over loses its link to a member with it. The log of consents is the proof of who
    agreed and who withdrew: a claim may come years later.
    """

    visits_days: Annotated[int, Meta(ge=1, le=400)] = 30
    orders_days: Annotated[int, Meta(ge=30, le=4000)] = 400
    consent_log_days: Annotated[int, Meta(ge=365, le=4000)] = 1100


class SensorSection(Struct, frozen=True):
    """`[sensors.NAME]`: one sensor. All further keys are the options of its kind."""

    kind: str
    device: str
    screen: str = ""
    socket: str = ""
    silence_s: Annotated[float, Meta(ge=3, le=600)] = 15.0
