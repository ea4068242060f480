"""From a score to a probability: the calibration table of one model, the threshold it gives for
strangers, and the ratio of "it is this member" to "it is somebody else".

Read by the presence desk from the package or from a site's own file, and written by `storebox
faces calibrate`. Numbers only: no vector of anybody is in it. Pure; it decides nothing.
"""

import base64
import binascii
import math
import re
from importlib import resources
from statistics import NormalDist
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from edge.errors import InputError
from edge.face_models import dimensions_of
from edge.presence.cohort import Cohort

VERSION = 1
FILE_BYTES_MAX = 8 * 1024 * 1024
CELLS_MAX = 64
COUNT_MAX = 16
"""Photos or frames that a cell may be measured for."""
PEOPLE_MAX = 10_000_000
FPIR_MIN, FPIR_MAX = 1e-6, 0.5
_STEEPNESS_MIN = 1e-3
OWN_UNKNOWN = 4.5
"""Nats taken off the rarity of a score where members' own scores were not measured, as in tables of
before they were: of recognised members of the recorded people, 19 of 20 lose less than that."""
OWN_LEVELS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.98)
"""The shares of members' own scores that lie below those in a cell."""
_STANDARD = NormalDist()
_NORMAL = np.array([_STANDARD.inv_cdf(level) for level in OWN_LEVELS])
_POINTS = 512
"""Of a curve of ratios; between them it is straight, and level behind the last."""
_PLAIN = re.compile("[a-z0-9][a-z0-9.-]{0,63}")
"""Ids of models for which the package may have a table."""
MAKE_ONE = "Make one with: storebox faces calibrate."

Scores = NDArray[np.float64]
Number = Annotated[float, Meta(ge=-1e6, le=1e6)]
Weight = Annotated[float, Meta(ge=0, le=1e6)]
Count = Annotated[int, Meta(ge=1, le=COUNT_MAX)]


class BadCalibration(InputError):
    """A calibration file that cannot be used."""


class Cell(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How strangers and members score with so many photos enrolled and frames fused.

    -log FMR(s) = base + slope x + bend x^2 with x = s - start - shift, from x = 0 on; below it a
    score says nothing. `shift` moves the tail to that of the worst measured group. `pairs` is how
    many comparisons of different people it was fitted to.

    `own` are the scores of members against themselves at OWN_LEVELS, measured of `own_people`;
    empty where they were not measured.
    """

    photos: Count
    frames: Count
    start: Number
    base: Weight
    slope: Weight
    bend: Weight
    shift: Annotated[float, Meta(ge=0, le=10)]
    pairs: Annotated[int, Meta(ge=1, le=10**12)]
    own: Annotated[tuple[Number, ...], Meta(max_length=len(OWN_LEVELS))] = ()
    own_people: Annotated[int, Meta(ge=0, le=PEOPLE_MAX)] = 0

    def __post_init__(self) -> None:
        if not self.slope + self.bend > _STEEPNESS_MIN:
            raise ValueError("a cell's tail must fall")
        if not all(map(math.isfinite, (self.start, self.base, self.slope, self.bend, self.shift))):
            raise ValueError("a cell has a number that is not finite")
        if self.own and (len(self.own) != len(OWN_LEVELS) or not min(np.diff(self.own)) > 0):
            raise ValueError("a cell's own scores do not rise")

    def rarity(self, score: float) -> float:
        """-log of the share of strangers' comparisons that score so high; 0 below the tail."""
        x = score - self.start - self.shift
        if not x >= 0:
            return 0.0
        return self.base + self.slope * x + self.bend * x * x

    def score_of(self, rarity: float) -> float:
        """The least score of that rarity."""
        left = max(0.0, rarity - self.base)
        root = math.sqrt(self.slope**2 + 4 * self.bend * left)
        x = 2 * left / (self.slope + root) if left else 0.0
        return self.start + self.shift + x


class Curve:
    """log f_own(s) / f_strangers(s) of one cell, in nats, never falling with the score.

    f_strangers is the density of the cell's tail, FMR(s) x d(-log FMR)/ds, of all groups together:
    a threshold must keep its word to the worst group, while a belief is to be right on the whole.
    f_own is that of own scores, whose quantiles against those of a normal variable, z(s), are
    joined by straight lines: f_own = phi(z) dz/ds, with dz/ds smoothed over neighbours. High above
    what members have the ratio of two such curves may fall again, though no higher score can speak
    less for a member: there the largest ratio below it counts.
    """

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        if not cell.own:
            return
        own, first = np.array(cell.own), cell.start
        self._scores = np.linspace(first, max(first, cell.own[-1]) + own[-1] - own[0], _POINTS)
        x = self._scores - first
        rarity = cell.base + cell.slope * x + cell.bend * x * x
        steepness = np.maximum(cell.slope + 2 * cell.bend * x, _STEEPNESS_MIN)
        self._own, self._rises = own, np.gradient(_NORMAL, own)
        members = -(self._z(self._scores) ** 2) / 2 - math.log(2 * math.pi) / 2
        members += np.log(np.interp(self._scores, own, self._rises))
        self._ratios = np.maximum.accumulate(members + rarity - np.log(steepness))

    def _z(self, scores: Scores) -> Scores:
        """How high own scores are, by the normal variable of the same quantile."""
        found: Scores = np.interp(scores, self._own, _NORMAL)
        found += self._rises[0] * np.minimum(0, scores - self._own[0])
        found += self._rises[-1] * np.maximum(0, scores - self._own[-1])
        return found

    def ratio(self, score: float) -> float:
        """In nats; not bounded, and negative where a stranger is likelier. 0 below the tail."""
        if not self._cell.own:
            return self._cell.rarity(score) - OWN_UNKNOWN
        if not score >= self._scores[0]:
            return 0.0
        return float(np.interp(score, self._scores, self._ratios))

    def own_below(self, score: float) -> float:
        """The share of members' own scores below this one; 1 where they were not measured."""
        if not self._cell.own or not math.isfinite(score):
            return 0.0 if score == -math.inf else 1.0
        return _STANDARD.cdf(float(self._z(np.array([score]))[0]))


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """The file. `cohort` names the cohort by its fingerprint; empty: scores are plain cosines."""

    version: int
    model: Annotated[str, Meta(min_length=1, max_length=64)]
    cohort: Annotated[str, Meta(max_length=64)]
    cells: Annotated[tuple[Cell, ...], Meta(min_length=1, max_length=CELLS_MAX)]
    group: Annotated[str, Meta(max_length=64)] = ""
    """The worst measured group, to which the tails are shifted; empty: none was large enough."""
    made_from: Annotated[str, Meta(max_length=400)] = ""
    mean: Annotated[str, Meta(max_length=FILE_BYTES_MAX)] = ""
    covariance: Annotated[str, Meta(max_length=FILE_BYTES_MAX)] = ""
    """A site's own cohort: little-endian float32 in base64; empty: it comes with the model."""


class Calibration:
    """What a score is worth under one model, by photos enrolled and frames fused."""

    def __init__(self, table: Table, cohort: Cohort | None = None) -> None:
        """BadCalibration when the table is for another cohort than `cohort`, or that is for another
        model.
        """
        fingerprint = cohort.fingerprint() if cohort is not None else ""
        if table.cohort != fingerprint:
            raise BadCalibration(
                f"The thresholds for {table.model} were measured with another cohort.",
                "Install the cohort file that belongs to them, or calibrate anew.",
            )
        if cohort is not None and cohort.dimensions != dimensions_of(table.model):
            raise BadCalibration(
                f"The cohort of this calibration is of another model than {table.model}.", MAKE_ONE
            )
        self.table = table
        self.cohort = cohort
        self._cells = {(cell.photos, cell.frames): cell for cell in table.cells}
        self._curves = {key: Curve(cell) for key, cell in self._cells.items()}
        self._found: dict[tuple[int, int], list[tuple[int, int]]] = {}
        """The keys of what was asked for; at most COUNT_MAX x COUNT_MAX."""

    @property
    def model(self) -> str:
        """The model whose scores these are."""
        return self.table.model

    def threshold(self, photos: int, frames: int, people: int, fpir: float) -> float:
        """The least score at which a stranger is named with the chance `fpir` among `people`.

        inf for numbers that make no sense.
        """
        if photos < 1 or frames < 1 or not 1 <= people <= PEOPLE_MAX or not 0 < fpir < 1:
            return math.inf
        held = min(max(fpir, FPIR_MIN), FPIR_MAX)
        rare = rarity_at(held, people)
        return max(cell.score_of(rare) for cell in self._near(photos, frames))

    def rarity(self, score: float, photos: int, frames: int) -> float:
        """-log of the share of comparisons of different people that score so high; not bounded."""
        if photos < 1 or frames < 1 or math.isnan(score):
            return 0.0
        return min(cell.rarity(score) for cell in self._near(photos, frames))

    def ratio(self, score: float, photos: int, frames: int) -> float:
        """What a member's score says for them against a stranger: log f_own - log f_strangers, in
        nats, at least 0 and not bounded above.
        """
        if photos < 1 or frames < 1 or math.isnan(score):
            return 0.0
        return max(0.0, min(self._curves[key].ratio(score) for key in self._keys(photos, frames)))

    def own_below(self, score: float, photos: int, frames: int) -> float:
        """How many of a member's own scores lie below this one, at most."""
        if photos < 1 or frames < 1 or math.isnan(score):
            return 1.0
        return max(self._curves[key].own_below(score) for key in self._keys(photos, frames))

    def _near(self, photos: int, frames: int) -> list[Cell]:
        """The cell, or all neighbours of one that was not measured: the strictest counts."""
        return [self._cells[key] for key in self._keys(photos, frames)]

    def _keys(self, photos: int, frames: int) -> list[tuple[int, int]]:
        asked = min(photos, COUNT_MAX), min(frames, COUNT_MAX)  # beyond, the last cells hold
        if asked not in self._found:
            rows = _around(asked[0], {key[0] for key in self._cells})
            columns = _around(asked[1], {key[1] for key in self._cells})
            near = [(p, f) for p, f in self._cells if p in rows and f in columns]
            self._found[asked] = near or list(self._cells)
        return self._found[asked]

    def to_json(self) -> bytes:
        """The file."""
        return msgspec.json.format(msgspec.json.encode(self.table), indent=1) + b"\n"


def rarity_at(fpir: float, people: int) -> float:
    """-log FMR at which a stranger is named with the chance `fpir` among `people`.

    Solves 1 - (1 - FMR)^people = fpir.
    """
    return -math.log(-math.expm1(math.log1p(-fpir) / people))


def from_json(raw: bytes, cohort: Cohort | None = None) -> Calibration:
    """The calibration in a file; `cohort` is the model's own, used unless the file brings one.

    BadCalibration when it is not one, too large, or for another cohort.
    """
    table = _decoded(raw)
    try:
        own = _own_cohort(table)
    except ValueError as error:
        raise BadCalibration(f"This is no calibration file: {error}.", MAKE_ONE) from None
    if not table.cohort:
        return Calibration(table)
    return Calibration(table, own or cohort)


def _decoded(raw: bytes) -> Table:
    if len(raw) > FILE_BYTES_MAX:
        raise BadCalibration(f"A calibration file has at most {FILE_BYTES_MAX} bytes.", MAKE_ONE)
    try:
        table = msgspec.json.decode(raw, type=Table)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadCalibration(f"This is no calibration file: {error}.", MAKE_ONE) from None
    if table.version != VERSION:
        raise BadCalibration(
            f"A calibration file of version {table.version} is not known here.", MAKE_ONE
        )
    return table


def shipped(model: str, cohort: Cohort | None) -> Calibration | None:
    """The package's own table for `model`: for this cohort, else for plain cosines; None without.

    The calibration says which cohort scores are to be measured with.
    """
    if not _PLAIN.fullmatch(model):
        return None
    folder = resources.files("edge.presence") / "calibrations"
    normalised, plain = folder / f"{model}.cohort.json", folder / f"{model}.json"
    if cohort is not None and normalised.is_file():
        table = _decoded(normalised.read_bytes())
        if table.cohort == cohort.fingerprint():
            return Calibration(table, cohort)
    return from_json(plain.read_bytes()) if plain.is_file() else None


def with_cohort(table: Table, cohort: Cohort) -> Table:
    """The table with a site's own cohort in it."""
    return msgspec.structs.replace(
        table,
        cohort=cohort.fingerprint(),
        mean=base64.b64encode(cohort.mean.astype("<f4").tobytes()).decode(),
        covariance=base64.b64encode(cohort.covariance.astype("<f4").tobytes()).decode(),
    )


def _own_cohort(table: Table) -> Cohort | None:
    if not table.mean:
        return None
    try:
        mean = np.frombuffer(base64.b64decode(table.mean, validate=True), "<f4")
        flat = np.frombuffer(base64.b64decode(table.covariance, validate=True), "<f4")
    except binascii.Error:
        raise ValueError("its cohort is no base64") from None
    return Cohort(mean.copy(), flat.reshape(len(mean), len(mean)).copy())


def _around(wanted: int, known: set[int]) -> set[int]:
    """The nearest known numbers below and above; only itself if it is known."""
    if wanted in known:
        return {wanted}
    below = [number for number in known if number < wanted]
    above = [number for number in known if number > wanted]
    return set(([max(below)] if below else []) + ([min(above)] if above else []))
