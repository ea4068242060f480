"""Milliseconds per picture searched and per face described, for each backend, on one thread.

Called by the benchmark runner (AREA=faces). Ratios count, not milliseconds: what the documentation
of face_recognition does is measured in the same run, in turn with ours. Pictures are scikit-image's
portrait in rooms of two sizes, so recordings are not needed; models are.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage.data

from edge.face_files import installed
from edge.face_models import DLIB, KNOWN, REID0095, YUNET
from hardware.camera import Picture
from hardware.faces import dlib_library
from hardware.faces.backends import load
from hardware.faces.detectors import Hog
from tests.conftest import ROOT

SIZES = ((640, 480), (1280, 720))
ROUNDS = 15
"""The median counts; works take turns, so that other load on the machine meets all of them."""
FASTER_SEARCH, FASTER_LOOK = 15.0, 6.0
"""Goals, below what was measured first: YuNet 24 times as fast, reid0095 10.5 times."""
Work = Callable[[], object]


def run() -> list[dict[str, Any]]:
    """Entries; `value` and `baseline` are milliseconds. Without models those of dlib alone."""
    named = os.environ.get("STOREBOX_RECORDINGS")
    models = (Path(named) if named else ROOT.parent / "shared" / "data").parent / "models"
    entries = []
    for size in SIZES:
        entries += searching(models, room(*size), f"{size[0]}x{size[1]}")
    return entries + describing(models)


def room(width: int, height: int) -> Picture:
    """A person in a room: grey noise, seeded, and a portrait."""
    noise = np.random.default_rng(1).normal(110, 12, (height, width, 3)).clip(0, 255)
    picture = cv2.GaussianBlur(noise.astype(np.uint8), (5, 5), 0)
    side = height // 2
    portrait = cv2.resize(skimage.data.astronaut()[:320, 60:380, ::-1], (side, side))
    picture[side // 2 : side // 2 + side, side : side + side] = portrait
    return np.ascontiguousarray(picture, dtype=np.uint8)


def searching(models: Path, picture: Picture, size: str) -> list[dict[str, Any]]:
    """The detectors on one picture, against face_recognition's default (HOG on a doubled one)."""
    naive, ours = dlib_library.dlib().get_frontal_face_detector(), Hog()
    colours = dlib_library.rgb(picture)
    works: dict[str, Work] = {
        "naive": lambda: naive.run(colours, 1, 0.0),
        "dlib HOG": lambda: ours.detect(picture),
    }
    if installed(models, KNOWN[YUNET]):
        backend = load(models, DLIB)
        assert backend.detect(picture), "a bench that finds no face measures nothing"
        works["YuNet"] = lambda: backend.detect(picture)
    ms = medians(works)
    base = ms.pop("naive")
    goals = {"YuNet": FASTER_SEARCH}
    name = "search {}: {}, against face_recognition's default"
    return [entry(name.format(size, each), ms[each], base, goals.get(each)) for each in ms]


def describing(models: Path) -> list[dict[str, Any]]:
    """Chip and vector of one face, for each describer."""
    picture = room(640, 480)
    backends = {DLIB: load(None, DLIB)}
    if installed(models, KNOWN[REID0095]):
        backends[REID0095] = load(models, REID0095)
    works: dict[str, Work] = {}
    for model, backend in backends.items():
        face = backend.detect(picture)[0]
        chip = backend.chip(picture, face)
        works[f"{model} chip"] = lambda b=backend, f=face: b.chip(picture, f)
        works[f"{model} look"] = lambda b=backend, c=chip: b.embed(c)
    ms = medians(works)
    base = ms[f"{DLIB} look"]
    goals = {REID0095: FASTER_LOOK}
    entries = []
    for model in backends:
        look = ms[f"{model} look"]
        against = None if model == DLIB else base
        entries.append(entry(f"describe a chip: {model}", look, against, goals.get(model)))
        entries.append(entry(f"cut out a chip: {model}", ms[f"{model} chip"], None, None))
    return entries


def medians(works: dict[str, Work]) -> dict[str, float]:
    """Milliseconds of processor time of each work, measured in turn on one thread."""
    cv2.setNumThreads(1)
    taken: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(ROUNDS):
        for name, work in works.items():
            begun_s = time.process_time()
            work()
            taken[name].append(1000 * (time.process_time() - begun_s))
    return {name: float(np.median(each)) for name, each in taken.items()}


def entry(name: str, ms: float, baseline: float | None, goal: float | None) -> dict[str, Any]:
    """One figure; the ratio says how many times faster than the baseline."""
    ratio = None if baseline is None else baseline / ms
    return {
        "name": name,
        "value": round(ms, 2),
        "unit": "ms",
        "baseline": None if baseline is None else round(baseline, 1),
        "ratio": None if ratio is None else round(ratio, 1),
        "goal": goal,
        "met": None if goal is None or ratio is None else ratio >= goal,
    }
