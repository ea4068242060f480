"""What a score is worth: thresholds that only grow where they must, and files that are refused."""

import math
from statistics import NormalDist

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.face_models import DLIB, REID0095
from edge.presence.cohort import measured
from edge.presence.face_calibration import (
    FILE_BYTES_MAX,
    OWN_LEVELS,
    OWN_UNKNOWN,
    BadCalibration,
    Calibration,
    Cell,
    Table,
    from_json,
    shipped,
    with_cohort,
)
from edge.presence.face_decision import LLR_MAX, Rules
from edge.presence.gallery import Look
from tests.unit.test_gallery import vectors


def look(score: float, photos: int) -> Look:
    return Look("m", score, -math.inf, photos, DLIB)


def cell(photos: int, frames: int, **more: float) -> Cell:
    told = {"start": 0.1, "base": 6.0, "slope": 20.0, "bend": 40.0, "shift": 0.01, **more}
    return Cell(photos=photos, frames=frames, pairs=1000, **told)  # type: ignore[arg-type]


def own(plain: Cell, mean: float = 0.5, spread: float = 0.1) -> Cell:
    """The cell with own scores."""
    scores = tuple(NormalDist(mean, spread).inv_cdf(level) for level in OWN_LEVELS)
    return msgspec.structs.replace(plain, own=scores, own_people=100)


def table(*cells: Cell, **more: object) -> Table:
    return Table(1, DLIB, "", cells or (cell(1, 1), cell(3, 1), cell(3, 3)), **more)  # type: ignore[arg-type]


CALIBRATION = Calibration(table())
shares = st.floats(1e-5, 0.3)
crowds = st.integers(1, 100_000)
cells = st.builds(
    cell,
    st.integers(1, 5),
    st.integers(1, 5),
    start=st.floats(-1, 1),
    base=st.floats(0, 10),
    slope=st.floats(0.01, 100),
    bend=st.floats(0, 200),
    shift=st.floats(0, 0.2),
)
measured_cells = st.builds(own, cells, st.floats(-1, 2), st.floats(1e-3, 1))
calibrations = st.lists(st.one_of(cells, measured_cells), min_size=1, max_size=6).map(
    lambda some: Calibration(table(*some))
)
counts = st.integers(1, 12)


@given(calibrations, counts, counts, crowds, st.tuples(shares, shares))
def test_a_stricter_target_never_lowers_the_threshold(
    calibration: Calibration, photos: int, frames: int, people: int, targets: tuple[float, float]
) -> None:
    strict, loose = sorted(targets)
    at = calibration.threshold
    assert at(photos, frames, people, strict) >= at(photos, frames, people, loose)


@given(calibrations, counts, counts, shares, st.tuples(crowds, crowds))
def test_more_people_never_lower_the_threshold(
    calibration: Calibration, photos: int, frames: int, fpir: float, crowd: tuple[int, int]
) -> None:
    few, many = sorted(crowd)
    at = calibration.threshold
    assert at(photos, frames, many, fpir) >= at(photos, frames, few, fpir)


@given(calibrations, counts, counts, st.tuples(st.floats(-2, 3), st.floats(-2, 3)))
def test_a_higher_score_is_never_worth_less(
    calibration: Calibration, photos: int, frames: int, scores: tuple[float, float]
) -> None:
    rules = Rules(calibration, people=1)
    low, high = (rules.worth(look(score, photos), frames) for score in sorted(scores))
    assert 0 <= low <= high <= LLR_MAX


@given(calibrations, counts, counts, crowds, shares)
def test_at_its_threshold_so_many_strangers_are_named_as_was_aimed_at(
    calibration: Calibration, photos: int, frames: int, people: int, fpir: float
) -> None:
    threshold = calibration.threshold(photos, frames, people, fpir)
    fmr = math.exp(-calibration.rarity(threshold + 1e-9, photos, frames))
    assert -math.expm1(people * math.log1p(-fmr)) <= fpir * 1.001


@pytest.mark.parametrize("score", [0.25, 0.4, 0.5])
def test_a_ratio_is_that_of_the_two_densities(score: float) -> None:
    """Of all strangers: the shift to the worst group belongs to thresholds."""
    plain = cell(3, 3, shift=0.0)
    measured = Calibration(table(own(cell(3, 3))))
    step = 1e-5
    strangers = math.exp(-plain.rarity(score - step)) - math.exp(-plain.rarity(score + step))
    members = NormalDist(0.5, 0.1).cdf(score + step) - NormalDist(0.5, 0.1).cdf(score - step)
    assert measured.ratio(score, 3, 3) == pytest.approx(math.log(members / strangers), abs=0.06)
    assert measured.ratio(score, 3, 3) < plain.rarity(score)


def test_a_higher_score_than_any_member_has_speaks_no_less_for_them() -> None:
    steep = Calibration(table(own(cell(3, 3, bend=0.0), mean=0.3, spread=0.01)))
    low, high, far = (steep.ratio(score, 3, 3) for score in (0.29, 0.5, 9.0))
    assert low < high == far


def test_without_own_scores_so_much_is_taken_off_that_hardly_a_member_has_less() -> None:
    rare = CALIBRATION.rarity(0.4, 3, 3)
    assert CALIBRATION.ratio(0.4, 3, 3) == pytest.approx(rare - OWN_UNKNOWN)
    for model in (DLIB, REID0095):
        found = shipped(model, None)
        assert found is not None
        cells = [each for each in found.table.cells if each.own and each.photos == 3]
        assert len(cells) >= 3
        for each in cells:
            strict = found.threshold(each.photos, each.frames, 1_000, 0.001)
            usual = max(strict, each.own[3])
            told = found.ratio(usual, each.photos, each.frames)
            assert each.rarity(usual) - OWN_UNKNOWN <= told < each.rarity(usual)


def test_where_nothing_was_measured_the_stricter_neighbour_counts() -> None:
    calibration = Calibration(table(cell(1, 1), cell(3, 1, start=0.2), cell(3, 3, start=0.15)))
    between = calibration.threshold(2, 1, 100, 0.01)
    assert between == calibration.threshold(3, 1, 100, 0.01)
    assert between > calibration.threshold(1, 1, 100, 0.01)
    assert calibration.rarity(0.3, 2, 1) == calibration.rarity(0.3, 3, 1)
    assert calibration.threshold(9, 2, 100, 0.01) == between
    alone = Calibration(table(cell(1, 1), cell(3, 3, start=0.2)))
    assert alone.threshold(1, 3, 100, 0.01) == alone.threshold(3, 3, 100, 0.01)


@pytest.mark.parametrize(
    ("photos", "frames", "people", "fpir"),
    [
        (0, 1, 10, 0.01),
        (1, -1, 10, 0.01),
        (1, 1, 0, 0.01),
        (1, 1, 10**9, 0.01),
        (1, 1, 10, 0.0),
        (1, 1, 10, 1.0),
        (1, 1, 10, math.nan),
    ],
)
def test_numbers_without_sense_let_nobody_pass(
    photos: int, frames: int, people: int, fpir: float
) -> None:
    assert CALIBRATION.threshold(photos, frames, people, fpir) == math.inf
    assert CALIBRATION.rarity(math.nan, 3, 3) == 0


# --- the file


@given(calibrations)
def test_a_file_says_what_was_written(calibration: Calibration) -> None:
    assert from_json(calibration.to_json()).table == calibration.table


def test_a_cohort_of_ones_own_travels_in_the_file() -> None:
    cohort = measured(vectors(1, 300))
    written = Calibration(with_cohort(table(), cohort), cohort)
    read = from_json(written.to_json())
    assert read.cohort is not None
    assert read.cohort.fingerprint() == cohort.fingerprint()
    assert np.array_equal(read.cohort.levels(vectors(2, 5)), cohort.levels(vectors(2, 5)))


def test_a_table_for_another_cohort_is_refused() -> None:
    cohort, other = measured(vectors(1, 300)), measured(vectors(2, 300))
    named = msgspec.structs.replace(table(), cohort=cohort.fingerprint())
    raw = msgspec.json.encode(named)
    assert from_json(raw, cohort).cohort is cohort
    for wrong in (other, None):
        with pytest.raises(BadCalibration, match="another cohort"):
            from_json(raw, wrong)


def _changed(**more: object) -> bytes:
    return msgspec.json.encode(msgspec.to_builtins(table()) | more)


def _with_cell(**more: object) -> bytes:
    return _changed(cells=[msgspec.to_builtins(cell(1, 1)) | more])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b" " * (FILE_BYTES_MAX + 1),
        _changed(version=2),
        _changed(cells=[]),
        _changed(cells=[msgspec.to_builtins(cell(1, 1))] * 65),
        _changed(unknown=1),
        _changed(cohort="x", mean="?", covariance=""),
        _changed(cohort="x", mean="AAAA", covariance="AAAA"),
        _with_cell(slope=0.0, bend=0.0),
        _with_cell(slope=-1.0),
        _with_cell(bend=1e300),
        _with_cell(shift=-0.1),
        _with_cell(start="NaN"),
        _with_cell(photos=0),
        _with_cell(frames=17),
        _with_cell(own=[0.1, 0.2]),
        _with_cell(own=[0.1] * 10),
        _with_cell(own=[0.1] * 11),
    ],
    ids=repr,
)
def test_a_damaged_file_is_refused(raw: bytes) -> None:
    with pytest.raises(BadCalibration):
        from_json(raw)


# --- what comes in the package


def test_the_package_has_a_table_for_plain_cosines_of_both_models() -> None:
    for model in (DLIB, REID0095):
        found = shipped(model, None)
        assert found is not None
        assert (found.model, found.cohort, found.table.cohort) == (model, None, "")
        assert {(1, 1), (3, 1), (3, 3), (3, 5)} <= {(c.photos, c.frames) for c in found.table.cells}
        assert 0.3 < found.threshold(3, 3, 1000, 0.001) < 0.99


def test_another_cohort_than_the_packages_gives_plain_cosines() -> None:
    found = shipped(REID0095, measured(vectors(1, 600, 256)))
    assert found is not None
    assert found.cohort is None


def test_a_model_of_ones_own_has_no_table() -> None:
    for model in ("onnx:mine:128:0123456789ab", "../omz-reid0095", "", "sface-2021dec"):
        assert shipped(model, None) is None
