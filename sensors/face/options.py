"""What can be configured of a face camera: how often it looks, lines to count at, zones to stay in.

Pure declaration, validated by `edge/config.py` and once more in the worker. Places are shares of
the picture: [0, 0] is its left upper corner, [1, 1] the right lower one. `sensors/FACES.md` shows
how a line and a zone are drawn.
"""

import math
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from edge.face_models import DLIB

CORNERS_MAX = 16
LINES_MAX = ZONES_MAX = 8
"""Of one camera. More cannot be told apart in one picture."""
LENGTH_MIN = 0.05
"""Of a line, as a share of the picture: shorter nobody walks over it."""

Share = Annotated[float, Meta(ge=0, le=1, description="a share of the picture, 0 to 1")]
Point = Annotated[
    tuple[Share, Share], Meta(description="a place in the picture such as [0.5, 0.25]")
]
Drawn = Annotated[str, Meta(min_length=1, max_length=64)]
"""The name of a line or zone."""
Side = Annotated[int, Meta(ge=16, le=16_384)]


class ZoneKind(StrEnum):
    """What a part of the view is."""

    ENTRY = "entry"
    QUEUE = "queue"
    """Before the kiosk or till: its length is told, and who asks at the screen stands in it."""
    DEPARTMENT = "department"


class Zone(Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the view, by the corners around it.

    `recognise` marks where members are recognised in the mode `zone` of `[recognition]`; it says
    nothing in the other modes.
    """

    kind: ZoneKind
    area: Annotated[
        tuple[Point, ...],
        Meta(
            min_length=3,
            max_length=CORNERS_MAX,
            description="3 to 16 corners such as [[0, 0], [1, 0], [1, 1]]",
        ),
    ]
    recognise: bool = False

    def __post_init__(self) -> None:
        """ValueError, which msgspec makes its own, for corners that enclose nothing."""
        if abs(enclosed(self.area)) < LENGTH_MIN**2:
            raise ValueError("the corners of its area enclose nothing")


class Inside(StrEnum):
    """On which side of a line the shop lies, as one looks at the picture."""

    LEFT = "left"
    RIGHT = "right"
    ABOVE = "above"
    BELOW = "below"


_TOWARDS = {
    Inside.LEFT: (-1.0, 0.0),
    Inside.RIGHT: (1.0, 0.0),
    Inside.ABOVE: (0.0, -1.0),
    Inside.BELOW: (0.0, 1.0),
}


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """A line that people walk over, from one place to another; inwards is towards `inside`."""

    begin: Point = msgspec.field(name="from")
    to: Point
    inside: Inside

    def __post_init__(self) -> None:
        """ValueError, which msgspec makes its own, for a line that has no such side."""
        along = (self.to[0] - self.begin[0], self.to[1] - self.begin[1])
        length = math.hypot(*along)
        if length < LENGTH_MIN:
            raise ValueError("the line is too short")
        x, y = self.towards
        if abs(along[0] * y - along[1] * x) < 0.1 * length:
            raise ValueError(f"{self.inside.value} is along the line and on neither side of it")

    @property
    def towards(self) -> tuple[float, float]:
        """The direction of `inside` in the picture, whose y points down."""
        return _TOWARDS[self.inside]


class FaceOptions(Struct, frozen=True, kw_only=True):
    """Options of `[sensors.NAME]` with kind "face".

    `looks_per_s`: how often a picture is searched for faces while something moves. `size`: width
    and height that the camera should show. `zones` and `lines` by their names. `models` and
    `model`, the directory of the model files and the model, are filled in by the core.
    """

    looks_per_s: Annotated[float, Meta(gt=0, le=25)] = 8.0
    size: tuple[Side, Side] | None = None
    zones: Annotated[
        dict[Drawn, Zone], Meta(max_length=ZONES_MAX, description="at most 8 named tables")
    ] = {}
    lines: Annotated[
        dict[Drawn, Line], Meta(max_length=LINES_MAX, description="at most 8 named tables")
    ] = {}
    models: str = ""
    model: str = DLIB


def enclosed(corners: tuple[Point, ...]) -> float:
    """The signed area within a polygon (the shoelace formula)."""
    after = (*corners[1:], corners[0])
    pairs = zip(corners, after, strict=True)
    return sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairs) / 2
