"""What a camera sees, as a technician may see it: faces are blurred, lines and zones show.

Made by the face sensor with leave for a picture. The whole view is coarse; where a head is, found
at three scales or followed by the tracker, it is a few blocks, blurred, with a wide margin. Bodies
are left: clothes tell nobody's name. If heads cannot be looked for, there is no picture.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from hardware.camera import Picture
from hardware.faces.face import Box, FaceBackend
from sensors import wire
from sensors.face.options import FaceOptions, Point

LONGEST_PX = 1280
COARSE_PX = 400
"""The whole view has so many points on its longest side: walls and doors are clear, a face that is
small or turned enough to be missed is hardly. No detector finds every head."""
MARGIN = 0.6
"""Around a face, in widths of its box: hair, ears and chin tell somebody too."""
BLOCKS = 4
"""A head is reduced to so many blocks a side before it is blurred."""
LARGER = 2.0
OVERLAP = 0.25
"""The view is searched whole, whole at half its size, and in four enlarged parts that overlap."""
QUALITIES = (80, 65, 50, 35, 20, 10)
LINE_COLOUR, ZONE_COLOUR = (0, 200, 255), (80, 220, 80)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def blurred(
    picture: Picture, backend: FaceBackend, followed: Sequence[Box], options: FaceOptions
) -> bytes:
    """The view as JPEG, at most `wire.PICTURE_BYTES_MAX`; empty if it cannot be made so small.

    What `backend` raises goes on: then there is no picture. `picture` is left as it is.
    """
    heads = [*followed, *found(picture, backend)]
    shown = coarse(picture)
    scale = shown.shape[1] / picture.shape[1]
    for head in heads:
        hide(shown, head, scale)
    draw(shown, options)
    try:
        return _packed(shown)
    finally:
        shown.fill(0)


def found(picture: Picture, backend: FaceBackend) -> Iterator[Box]:
    """Every face at any of the scales, in pixels of `picture`."""
    height, width = picture.shape[:2]
    yield from (face.box for face in backend.detect(picture))
    small = (max(1, width // 2), max(1, height // 2))
    half = np.ascontiguousarray(cv2.resize(picture, small), dtype=np.uint8)
    yield from (_moved(face.box, 0.5, (0, 0)) for face in backend.detect(half))
    half.fill(0)
    across, down = round(width * (0.5 + OVERLAP / 2)), round(height * (0.5 + OVERLAP / 2))
    for left in (0, width - across):
        for top in (0, height - down):
            part = picture[top : top + down, left : left + across]
            large = np.ascontiguousarray(cv2.resize(part, None, fx=LARGER, fy=LARGER), np.uint8)
            yield from (_moved(face.box, LARGER, (left, top)) for face in backend.detect(large))
            large.fill(0)


def _moved(box: Box, scale: float, corner: tuple[int, int]) -> Box:
    left, top, right, bottom = (round(side / scale) for side in box)
    return Box(left + corner[0], top + corner[1], right + corner[0], bottom + corner[1])


def coarse(picture: Picture) -> Picture:
    """The view without its details, at most `LONGEST_PX` long."""
    height, width = picture.shape[:2]
    longest = max(height, width)
    few = min(1.0, COARSE_PX / longest)
    size = (max(1, round(width * few)), max(1, round(height * few)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    many = min(1.0, LONGEST_PX / longest)
    full = (max(1, round(width * many)), max(1, round(height * many)))
    shown = cv2.resize(small, full, interpolation=cv2.INTER_LINEAR)
    small.fill(0)
    return np.ascontiguousarray(shown, dtype=np.uint8)


def hide(shown: Picture, head: Box, scale: float) -> None:
    """Leave a few blurred blocks of a head. `head` is in pixels of the picture before `scale`."""
    height, width = shown.shape[:2]
    margin = max(head.width, head.height) * MARGIN
    left, top = max(0, int((head.left - margin) * scale)), max(0, int((head.top - margin) * scale))
    right = min(width, int((head.right + margin) * scale) + 1)
    bottom = min(height, int((head.bottom + margin) * scale) + 1)
    if right <= left or bottom <= top:
        return
    part = shown[top:bottom, left:right]
    blocks = cv2.resize(part, (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA)
    size = (right - left, bottom - top)
    shown[top:bottom, left:right] = cv2.GaussianBlur(
        cv2.resize(blocks, size, interpolation=cv2.INTER_NEAREST), (0, 0), max(1.0, size[0] / 8)
    )


def draw(shown: Picture, options: FaceOptions) -> None:
    """The zones and lines with their names; an arrow on each line points inwards."""
    for name, zone in options.zones.items():
        corners = np.array([_pixel(shown, corner) for corner in zone.area], np.int32)
        cv2.polylines(shown, [corners], True, ZONE_COLOUR, 2)
        label = f"{name} ({zone.kind.value}{', recognise' if zone.recognise else ''})"
        _write(shown, label, zone.area[0], ZONE_COLOUR)
    for name, line in options.lines.items():
        cv2.line(shown, _pixel(shown, line.begin), _pixel(shown, line.to), LINE_COLOUR, 2)
        middle = tuple((a + b) / 2 for a, b in zip(line.begin, line.to, strict=True))
        x, y = line.towards
        tip = (middle[0] + x * 0.06, middle[1] + y * 0.06)
        begin = _pixel(shown, (middle[0], middle[1]))
        cv2.arrowedLine(shown, begin, _pixel(shown, tip), LINE_COLOUR, 2)
        _write(shown, name, line.begin, LINE_COLOUR)


def _pixel(shown: Picture, place: Point) -> tuple[int, int]:
    height, width = shown.shape[:2]
    return round(place[0] * (width - 1)), round(place[1] * (height - 1))


def _write(shown: Picture, text: str, place: Point, colour: tuple[int, int, int]) -> None:
    x, y = _pixel(shown, place)
    height = shown.shape[0]
    cv2.putText(shown, text, (min(x + 6, shown.shape[1] - 60), min(max(y + 18, 14), height - 4)),
                FONT, 0.5, colour, 1, cv2.LINE_AA)  # fmt: skip


def _packed(shown: Picture) -> bytes:
    for quality in QUALITIES:
        fits, content = cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if fits and content.size <= wire.PICTURE_BYTES_MAX:
            return content.tobytes()
    return b""
