"""Turning faces upright: whatever was moved, turned and scaled is put back where models want it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import BadPicture
from hardware.faces.aligning import SCALE_MAX, TEMPLATE, aligned, similarity

angles = st.floats(-np.pi, np.pi)
scales = st.floats(0.05, 20)
moves = st.floats(-5000, 5000)


def moved(scale: float, angle: float, x: float, y: float) -> np.ndarray:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (TEMPLATE @ turn.T + [x, y]).astype(np.float32)


@given(scales, angles, moves, moves)
def test_any_turned_face_is_put_back(scale, angle, x, y):
    points = moved(scale, angle, x, y)
    transform = similarity(points, TEMPLATE)
    back = points @ transform[:, :2].T + transform[:, 2]
    assert np.abs(back - TEMPLATE).max() < 0.05 / scale  # float32 of up to 5000 pixels
    assert np.linalg.det(transform[:, :2]) > 0, "a face is never mirrored"


@given(st.integers(0, 2**32 - 1))
def test_the_fit_is_the_best_one(seed):
    """No nearby similarity brings noisy points closer (least squares, Umeyama 1991)."""
    chance = np.random.default_rng(seed)
    points = (TEMPLATE + chance.normal(0, 8, (5, 2))).astype(np.float32)
    best = similarity(points, TEMPLATE)

    def far(transform: np.ndarray) -> float:
        return float(np.sum((points @ transform[:, :2].T + transform[:, 2] - TEMPLATE) ** 2))

    for _ in range(5):
        a, b, x, y = chance.normal(0, 0.01, 4)
        near = best + np.array([[a, -b, 50 * x], [b, a, 50 * y]])
        assert far(best) <= far(near) + 1e-6


@pytest.mark.parametrize("scale", [0, 1e-4, 0.9 / SCALE_MAX, 1e5])
def test_points_of_no_size_or_any_are_no_face(scale):
    with pytest.raises(BadPicture):
        aligned(np.zeros((100, 100, 3), np.uint8), TEMPLATE * np.float32(scale), 112)
