"""Vectors of the recorded faces, for the accuracy bench: computed once, kept under build/bench.

`people` gives celebrities (`identities`, several pictures each) and presumed strangers
(`strangers`, one picture each, with groups from the file names: age, sex, race; adults only). Faces
are found by YuNet in the crop, cut out and described by the product's own backend, alone and (not
with dlib) as a mean with the mirror image. Only pictures that pass the gate of the facts are used.
Without recordings or model files there is nobody.
"""

import csv
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from edge.errors import StoreboxError
from edge.face_models import DLIB, REID0095
from edge.presence.face_fitting import Person
from tests.conftest import ROOT

CACHE = Path("build/bench")
SAVE_EVERY = 200
BORDER = 0.2
"""The crops are tight; so much of their side is added around them, as the picture's own edge."""
SCORE_MIN, EYES_PX_MIN, YAW_MAX, SHARPNESS_MIN, LIGHT = 0.8, 24.0, 0.25, 60.0, (40.0, 220.0)
ADULT = 18
RACES = ("white", "black", "asian", "indian", "other")
CELEBRITIES, STRANGERS = "celebrities", "strangers"
KEPT: dict[str, tuple[int, int]] = {REID0095: (99, 1), DLIB: (8, 2)}
"""Pictures of one celebrity at most, and every so many of the strangers: dlib is slow."""


class Set(NamedTuple):
    """People of both kinds under one model."""

    celebrities: list[Person]
    strangers: list[Person]


def recordings() -> Path:
    """Where the recordings are, or would be."""
    return Path(os.environ.get("STOREBOX_RECORDINGS") or ROOT.parent / "shared" / "data")


@cache
def people(model: str, *, mirrored: bool = False) -> Set:
    """Everybody with a picture that passed; nobody without recordings or model files."""
    faces = recordings() / "faces"
    models = recordings().resolve().parent / "models"
    if not faces.is_dir() or not models.is_dir():
        return Set([], [])
    try:
        vectors = _described(faces, models, model)
    except StoreboxError as error:
        print(f"  {model}: {error}", file=sys.stderr)
        return Set([], [])
    return _sorted(vectors, 1 if mirrored else 0)


def _sorted(vectors: dict[str, np.ndarray], which: int) -> Set:
    own: dict[str, list[np.ndarray]] = {}
    strangers = []
    for name, both in sorted(vectors.items()):
        kind, rest = name.split("/", 1)
        if kind == "identities":
            own.setdefault(rest.split("/")[0], []).append(both[which])
        else:
            strangers.append(Person(rest, both[which][None], STRANGERS, groups_of(rest)))
    celebrities = [Person(one, np.stack(rows), CELEBRITIES) for one, rows in own.items()]
    return Set(celebrities, strangers)


def groups_of(name: str) -> tuple[str, ...]:
    """The groups of a stranger, by the name age_sex_race_..."""
    age, sex, race = (int(part) for part in name.split("_")[:3])
    band = "18 to 39" if age < 40 else "40 to 59" if age < 60 else "60 and older"
    return ("men", "women")[sex], RACES[race], band


def _adult(name: str) -> bool:
    parts = name.split("_")
    return len(parts) > 3 and len(parts[2]) == 1 and int(parts[0]) >= ADULT


def _names(faces: Path, model: str) -> list[str]:
    most, step = KEPT.get(model, (99, 1))
    names = []
    for folder in sorted((faces / "identities").iterdir()):
        names += [f"identities/{folder.name}/{p.name}" for p in sorted(folder.iterdir())[:most]]
    adults = [p.name for p in sorted((faces / "strangers").iterdir()) if _adult(p.name)]
    return names + [f"strangers/{name}" for name in adults[::step]]


def _described(faces: Path, models: Path, model: str) -> dict[str, np.ndarray]:
    """The vectors of all pictures that pass, 2 x d each: plain, and with the mirror image."""
    from hardware.faces.backends import load

    kept = CACHE / f"faces-{model}.npz"
    done, names = _read(kept), _names(faces, model)
    missing = [name for name in names if name not in done]
    if missing:
        backend = load(models, model)
        eyes = _eyes(faces)
        CACHE.mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(missing, 1):
            done[name] = _one(backend, faces / name, eyes.get(name))
            if number % SAVE_EVERY == 0 or number == len(missing):
                np.savez(kept, **done)
                print(
                    f"  {model}: {number} of {len(missing)} pictures", file=sys.stderr, flush=True
                )
    return {name: done[name] for name in names if len(done[name])}


def _read(kept: Path) -> dict[str, np.ndarray]:
    if not kept.exists():
        return {}
    with np.load(kept) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _eyes(faces: Path) -> dict[str, tuple[float, float]]:
    """Where the labelled person's eyes are: some pictures show two people."""
    with (faces / "identities.csv").open() as file:
        rows = csv.DictReader(file)
        return {
            row["path"]: (
                (float(row["x0"]) + float(row["x1"])) / 2,
                (float(row["y0"]) + float(row["y1"])) / 2,
            )
            for row in rows
        }


def _one(backend: Any, path: Path, eyes: tuple[float, float] | None) -> np.ndarray:
    """2 x d; empty when there is no face or it does not pass."""
    picture = cv2.imread(str(path))
    border = round(BORDER * max(picture.shape[:2]))
    wide = cv2.copyMakeBorder(picture, border, border, border, border, cv2.BORDER_REPLICATE)
    height, width = wide.shape[:2]
    wanted = (eyes[0] + border, eyes[1] + border) if eyes else (width / 2, height * 0.45)
    found = backend.detect(wide)
    if not found:
        return np.empty((0,), np.float32)
    face = min(found, key=lambda one: np.abs(one.landmarks[:2].mean(axis=0) - wanted).sum())
    chip = backend.chip(wide, face)
    if not _passes(face, chip):
        return np.empty((0,), np.float32)
    return np.stack([backend.embed(chip), backend.embed(chip, mirrored=backend.model != DLIB)])


def _passes(face: Any, chip: np.ndarray) -> bool:
    """The gate of the facts on a probe: score, size, pose, blur and light."""
    right, left, nose = (face.landmarks[index].astype(float) for index in range(3))
    eyes_px = float(np.linalg.norm(left - right))
    across = (left - right) / max(eyes_px, 1.0)
    yaw = float((nose - (left + right) / 2) @ across) / max(eyes_px, 1.0)
    grey = cv2.cvtColor(cv2.resize(chip, (128, 128)), cv2.COLOR_BGR2GRAY)
    return bool(
        face.score >= SCORE_MIN
        and eyes_px >= EYES_PX_MIN
        and abs(yaw) < YAW_MAX
        and cv2.Laplacian(grey, cv2.CV_64F).var() >= SHARPNESS_MIN
        and LIGHT[0] < grey.mean() < LIGHT[1]
    )


if __name__ == "__main__":
    for each in sys.argv[1:] or [REID0095, DLIB]:
        found = people(each)
        print(each, len(found.celebrities), len(found.strangers))
