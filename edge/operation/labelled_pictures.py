"""Labelled pictures of a directory as vectors, to calibrate from: one folder a person.

Called by `storebox faces calibrate`. A directory is one origin (a camera, a collection). Beside
the folders a file `groups.csv` may say who belongs to which groups: `PERSON,GROUP,GROUP...`. A
person's folder has pictures that were taken one by one, or a folder for each occasion on which some
were taken together; the one named `enrolled` is of the enrolment. Nothing of a picture or a vector
is kept or written.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from msgspec import Struct

from edge.errors import BadPicture, InputError
from edge.presence.cohort import Vector
from edge.presence.face_fitting import Person
from edge.presence.occasions import ENROLLED, Occasions

if TYPE_CHECKING:
    from hardware.faces.face import FaceBackend

GROUPS_FILE = "groups.csv"
PEOPLE_MAX = 20_000
PICTURES_MAX = 16
"""Of one person; the first ones by name."""
ENROLLED_FOLDER = "enrolled"
SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".webp"})
GROUP_NAME_MAX = 64
BORDER = 0.2
"""Labelled pictures are often cropped tightly. So much of their longest side is added around them,
as their own edge, or the gate would take most faces for cut off by it."""


class BadLabels(InputError):
    """A directory from which nobody can learn who is who."""


class Labelled(Struct, frozen=True):
    """The pictures of one person."""

    person: str
    origin: str
    groups: tuple[str, ...]
    pictures: tuple[Path, ...]
    occasions: Occasions = ()
    """Of each picture; empty: each was taken by itself."""


class Described(Struct, frozen=True):
    """Who could be described, and how many pictures could not be used, by reason."""

    people: list[Person]
    refused: dict[str, int]


def labelled(folders: Sequence[Path]) -> list[Labelled]:
    """Everybody with a folder of pictures. BadLabels if there is nobody, or far too many."""
    found = [one for folder in folders for one in _of(folder)]
    if not 0 < len(found) <= PEOPLE_MAX:
        raise BadLabels(
            f"There are {len(found)} people in {', '.join(map(str, folders))}.",
            f"Name a directory with a folder of pictures for each of at most {PEOPLE_MAX} people.",
        )
    return found


def _of(folder: Path) -> Iterator[Labelled]:
    if not folder.is_dir():
        raise BadLabels(f"{folder} is no directory.", "Name one with a folder for each person.")
    groups = _groups(folder / GROUPS_FILE)
    for own in sorted(folder.iterdir()):
        if not own.is_dir():
            continue
        pictures, occasions = _taken(own)
        if pictures:
            of = groups.get(own.name, ())
            yield Labelled(own.name, folder.name, of, pictures, occasions)


def _taken(own: Path) -> tuple[tuple[Path, ...], Occasions]:
    """The pictures of one person, and their occasions if there are folders for those."""
    folders = [each for each in sorted(own.iterdir()) if each.is_dir()]
    if not folders:
        return tuple(_pictures(own)[:PICTURES_MAX]), ()
    folders.sort(key=lambda each: (each.name != ENROLLED_FOLDER, each.name))
    first = ENROLLED if folders[0].name == ENROLLED_FOLDER else ENROLLED + 1
    share = max(1, PICTURES_MAX // len(folders))
    taken = [
        (picture, number)
        for number, folder in enumerate(folders, first)
        for picture in _pictures(folder)[:share]
    ][:PICTURES_MAX]
    return tuple(picture for picture, _ in taken), tuple(number for _, number in taken)


def _pictures(folder: Path) -> list[Path]:
    return [file for file in sorted(folder.iterdir()) if file.suffix.lower() in SUFFIXES]


def _groups(path: Path) -> dict[str, tuple[str, ...]]:
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [[cell.strip()[:GROUP_NAME_MAX] for cell in row] for row in csv.reader(file)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadLabels(
            f"{path} cannot be read: {error}.", "Write PERSON,GROUP,GROUP in each of its lines."
        ) from None
    return {row[0]: tuple(filter(None, row[1:])) for row in rows if row}


def described(
    backend: "FaceBackend", people: Sequence[Labelled], step: Callable[[float], None]
) -> Described:
    """The vectors of everybody with at least one usable picture; `step` hears the share done."""
    found: list[Person] = []
    refused: dict[str, int] = {}
    for number, one in enumerate(people, 1):
        vectors, occasions = [], []
        for path, occasion in zip_longest(one.pictures, one.occasions):
            reason, vector = _vector(backend, path)
            if vector is None:
                refused[reason] = refused.get(reason, 0) + 1
            else:
                vectors.append(vector)
                occasions += [] if occasion is None else [occasion]
        if vectors:
            told = Person(one.person, np.stack(vectors), one.origin, one.groups)
            found.append(replace(told, occasions=tuple(occasions)))
        step(number / len(people))
    return Described(found, refused)


def _vector(backend: "FaceBackend", path: Path) -> tuple[str, Vector | None]:
    """The vector of the largest face, if the camera's own gate lets it pass; else why not."""
    from hardware.recorded_camera import still
    from sensors.face.quality import judged

    try:
        picture = still(path)
        border = round(BORDER * max(picture.shape[:2]))
        picture = np.pad(picture, ((border, border), (border, border), (0, 0)), mode="edge")
        faces = backend.detect(picture)
        if not faces:
            return "no face", None
        face = faces[0]
        if fails := judged(picture, face).fails:
            return fails.replace("_", " "), None
        return "", backend.embed(backend.chip(picture, face))
    except BadPicture:
        return "cannot be decoded", None
