"""The search over enrolled faces: exact, related to the cohort, and closed to broken vectors."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.face_models import DLIB
from edge.presence.cohort import SHARE, Cohort, from_npz, lengths_one, measured
from edge.presence.gallery import Gallery
from edge.storage.templates import Means, Template
from tests.faces import gallery_of

D = 128
seeds = st.integers(0, 2**32 - 1)


def vectors(seed: int, count: int, d: int = D) -> np.ndarray:
    """Like faces: more spread in a few directions, around a mean that is not zero."""
    dice = np.random.default_rng(seed)
    rows = dice.standard_normal((count, d)) * np.geomspace(1, 0.1, d) + 0.05
    return lengths_one(rows.astype(np.float32))


def template(name: str, rows: np.ndarray, model: str = DLIB) -> Template:
    return Template(name, model, np.ascontiguousarray(rows, "<f4").tobytes())


def test_the_level_in_closed_form_is_that_of_sampled_strangers() -> None:
    """The mean of the nearest SHARE of many seeded draws."""
    d = 32
    cohort = measured(vectors(1, 2000, d))
    dice = np.random.default_rng(1)
    drawn = dice.multivariate_normal(cohort.mean, cohort.covariance, 200_000, method="eigh")
    spreads = np.geomspace(1, 0.1, d) ** np.linspace(0, 2, 40)[:, None]  # unusual to typical
    rows = lengths_one((dice.standard_normal((40, d)) * spreads).astype(np.float32))
    nearest = round(SHARE * len(drawn))
    sampled = np.sort(rows @ drawn.T.astype(np.float32), axis=1)[:, -nearest:].mean(axis=1)
    closed = cohort.levels(rows)
    assert np.abs(closed / sampled - 1).max() < 0.12
    assert np.corrcoef(closed, sampled)[0, 1] > 0.99


@given(seeds, st.integers(1, 40), st.booleans())
def test_it_finds_what_comparing_each_by_each_finds(seed: int, members: int, related: bool) -> None:
    cohort = measured(vectors(seed + 1, 300)) if related else None
    photos = [1 + (seed + i) % 4 for i in range(members)]
    rows = [vectors(seed + 10 + i, count) for i, count in enumerate(photos)]
    gallery = gallery_of([template(f"m{i}", row) for i, row in enumerate(rows)], cohort)
    probe = vectors(seed, 1)[0]
    scores = []
    for row in rows:
        mean = row.mean(axis=0)
        mean = (mean / np.linalg.norm(mean)).astype("<f2").astype(np.float32)  # as it is kept
        z = cohort.levels(np.stack([mean, probe])) / 2 if cohort else (0.0, 0.0)
        scores.append(float(mean @ probe) - float(z[0]) - float(z[1]))
    best = int(np.argmax(scores))
    look = gallery.nearest(probe)
    assert look is not None
    assert (look.member, look.photos, look.model) == (f"m{best}", photos[best], DLIB)
    assert look.score == pytest.approx(scores[best], abs=1e-5)
    others = [score for i, score in enumerate(scores) if i != best]
    assert look.runner_up == pytest.approx(max(others, default=-np.inf), abs=1e-5)


def test_a_vector_that_is_none_matches_nobody() -> None:
    rows = vectors(1, 3)
    gallery = gallery_of([template("m", rows)])
    assert gallery.nearest(rows[0]) is not None
    broken = [rows[0] * np.float32(bad) for bad in (np.nan, np.inf, 0.0, 1e-30, 1e30, 100.0)]
    partly = rows[0].copy()
    partly[5] = np.nan
    shapes = [rows, rows[0][:-1], np.concatenate([rows[0], rows[0]]), np.empty(0, np.float32)]
    assert [gallery.nearest(one) for one in [*broken, partly, *shapes]] == [None] * 11
    assert Gallery([], 0, None, DLIB).nearest(rows[0]) is None


def test_a_row_that_is_no_mean_is_counted_and_matches_nobody() -> None:
    good = vectors(1, 1)[0]
    nan = good.copy()
    nan[7] = np.nan
    rows = np.stack([nan, good, np.zeros(D), good * 2, good / 2, good * 1000]).astype("<f2")
    piece = Means([f"m{i}" for i in range(len(rows))], [3] * len(rows), bytearray(rows.tobytes()))
    gallery = Gallery([piece], len(rows), None, DLIB)
    assert gallery.refused == len(rows) - 1
    look = gallery.nearest(good)
    assert look is not None
    assert (look.member, look.runner_up) == ("m1", -np.inf)
    assert not any(piece.rows), "the piece is wiped"


def test_nobody_is_matched_under_a_model_that_is_not_known() -> None:
    gallery = Gallery([], 1, None, "what-is-this")
    assert len(gallery) == 0
    assert gallery.nearest(vectors(1, 1)[0]) is None


def test_a_cohort_of_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match="another model"):
        gallery_of([template("m", vectors(1, 3))], measured(vectors(2, 300, 256)))


@pytest.mark.parametrize(
    ("mean", "covariance"),
    [
        (np.zeros(4), np.eye(4)),
        (np.zeros(4), np.eye(5) / 5),
        (np.full(4, np.nan), np.eye(4) / 4),
        (np.zeros((2, 2)), np.eye(4) / 4),
        (np.zeros(0), np.zeros((0, 0))),
    ],
)
def test_what_is_no_cohort_is_refused(mean: np.ndarray, covariance: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"[Aa] cohort"):
        Cohort(mean.astype(np.float32), covariance.astype(np.float32))


def test_a_cohorts_file_is_read_or_refused() -> None:
    cohort = measured(vectors(1, 300))
    file = io.BytesIO()
    np.savez(file, mu=cohort.mean, cov=cohort.covariance)
    raw = file.getvalue()
    assert from_npz(raw).fingerprint() == cohort.fingerprint()
    other = io.BytesIO()
    np.savez(other, mean=cohort.mean)
    for broken in (b"", b"PK\x03\x04", raw[:200], other.getvalue(), b"x" * 500):
        with pytest.raises(ValueError, match="cohort"):
            from_npz(broken)
