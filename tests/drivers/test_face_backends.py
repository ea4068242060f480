"""Every backend of face recognition keeps the same promises: one test over all of them.

dlib is always there; reid0095 and YuNet where the models lie beside the recordings. Pictures are
the public-domain portrait of scikit-image, and photographs of several people from the recordings.
"""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from edge.errors import BadModel, BadPicture
from edge.face_models import DLIB, REID0095, dimensions_of
from hardware.camera import Picture
from hardware.faces.backends import load
from hardware.faces.describers import united
from hardware.faces.face import FACES_MAX, SIDE_MIN, Box, Face, FaceBackend

PEOPLE = 6
ALIKE_MIN = {DLIB: 0.88, REID0095: 0.35}
"""What a second photograph of one person reaches on the mean; other people's is far below."""
TURNED_MIN = {DLIB: 0.95, REID0095: 0.7}
"""What the same picture, held askew, reaches."""
SMALL_MIN = {DLIB: 0.93, REID0095: 0.7}
"""What a face reaches of which 20 pixels lie between the eyes."""
APART_MIN = {DLIB: 0.05, REID0095: 0.3}


@pytest.fixture(scope="module", params=["dlib and hog", "dlib and yunet", "reid0095 and yunet"])
def backend(request: pytest.FixtureRequest) -> FaceBackend:
    if request.param == "dlib and hog":
        return load(None, DLIB)
    models: Path = request.getfixturevalue("models")
    return load(models, DLIB if request.param == "dlib and yunet" else REID0095)


@pytest.fixture(scope="module")
def portrait() -> Picture:
    return np.ascontiguousarray(skimage.data.astronaut()[:, :, ::-1])


@pytest.fixture(scope="module")
def people(recordings: Path) -> list[list[Picture]]:
    """Two photographs of each of some people."""
    folder = recordings / "faces"
    by_person: dict[str, list[str]] = {}
    with (folder / "identities.csv").open() as table:
        for row in csv.DictReader(table):
            if row["split"] == "dev" and row["nfaces"] == "1" and abs(float(row["yaw"])) < 0.1:
                by_person.setdefault(row["identity"], []).append(row["path"])
    pairs = [paths[:2] for _, paths in sorted(by_person.items()) if len(paths) > 1][:PEOPLE]
    return [[cv2.imread(str(folder / path)) for path in pair] for pair in pairs]  # type: ignore[misc]


def vector(backend: FaceBackend, picture: Picture) -> np.ndarray:
    return backend.embed(backend.chip(picture, backend.detect(picture)[0]))


def flat(height: int, width: int) -> Picture:
    return np.full((height, width, 3), 90, np.uint8)


def crowd(portrait: Picture, across: int, down: int) -> Picture:
    face = cv2.resize(portrait[20:220, 120:320], (110, 110))
    return np.ascontiguousarray(np.tile(face, (down, across, 1)), dtype=np.uint8)


# --- what it finds


def test_the_face_of_a_portrait_is_found_where_it_is(backend, portrait):
    (face, *_) = backend.detect(portrait)
    assert face.box.overlap(Box(180, 70, 270, 175)) > 0.5
    assert 0.8 < face.score <= 1
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
    assert face.landmarks.shape == (5, 2)
    assert face.landmarks.dtype == np.float32
    assert right_eye[0] < nose[0] < left_eye[0], "the person's right is left in the picture"
    assert right_mouth[0] < left_mouth[0]
    assert right_eye[1] < nose[1] < right_mouth[1]
    assert 35 < face.eyes_px < 50


def test_landmarks_lie_near_where_people_marked_them(backend, recordings):
    """Within a tenth of the distance of the eyes; those that a detector guesses within a fifth."""
    folder = recordings / "faces"
    with (folder / "identities.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row["nfaces"] == "1"][:40:2]
    errors = []
    for row in rows:
        faces = backend.detect(cv2.imread(str(folder / row["path"])))
        if faces:
            marked = [[float(row[f"x{n}"]), float(row[f"y{n}"])] for n in range(5)]
            off = np.linalg.norm(faces[0].landmarks - marked, axis=1)
            errors.append(off / float(row["iod"]))
    assert len(errors) >= 16
    assert np.median(errors, axis=0)[:2].max() < 0.1
    assert np.median(errors, axis=0).max() < 0.2


SIZES = [(0, 0), (1, 1), (1, 8000), (8000, 1), (SIDE_MIN, SIDE_MIN), (15_000, 20), (40_000, 40_000)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_picture_without_room_for_a_face_has_none(backend, height, width):
    grey = np.full((1, 1, 3), 90, np.uint8)
    assert backend.detect(np.broadcast_to(grey, (height, width, 3))) == []


@pytest.mark.parametrize("shape", [(480, 640), (480, 640, 4), (480, 640, 1)])
def test_what_is_no_colour_picture_has_no_face(backend, shape):
    assert backend.detect(np.zeros(shape, np.uint8)) == []
    assert backend.detect(np.zeros((480, 640, 3), np.float32)) == []  # type: ignore[arg-type]


def test_noise_and_a_huge_picture_are_searched(backend):
    seed = 5
    noise = np.random.default_rng(seed).integers(0, 256, (480, 640, 3), np.uint8)
    assert backend.detect(noise) == [], f"seed {seed}"
    assert backend.detect(flat(4320, 7680)) == []


def test_faces_come_largest_first_and_not_without_end(backend, portrait, request):
    faces = backend.detect(crowd(portrait, 10, 5))
    far_ones = "yunet" in request.node.callspec.params["backend"]
    assert (40 if far_ones else 0) <= len(faces) <= FACES_MAX, "fifty people in a frame"
    areas = [face.box.area for face in faces]
    assert areas == sorted(areas, reverse=True)
    assert len(backend.detect(crowd(portrait, 11, 8))) <= FACES_MAX


def test_a_face_at_the_edge_keeps_its_box_in_the_picture(backend, portrait):
    for cut in (portrait[100:, 195:], portrait[:150, :250]):
        for face in backend.detect(np.ascontiguousarray(cut)):
            assert face.box.left >= 0
            assert face.box.top >= 0
            assert face.box.right <= cut.shape[1]
            assert face.box.bottom <= cut.shape[0]
            assert backend.embed(backend.chip(cut, face)).shape == (backend.dimensions,)


def test_a_small_face_in_a_large_picture_is_described_as_a_large_one(backend, portrait, request):
    if "hog" in request.node.callspec.params["backend"]:
        pytest.skip("HOG sees no face of this size")
    frame = flat(720, 1280)
    frame[300:600, 500:800] = cv2.resize(portrait[:300, 80:380], (300, 300))
    small = flat(720, 1280)
    small[300:450, 500:650] = cv2.resize(frame[300:600, 500:800], (150, 150))
    assert backend.detect(small)[0].eyes_px < 24
    assert vector(backend, small) @ vector(backend, frame) > SMALL_MIN[backend.model]


@pytest.mark.parametrize(("x", "y"), [(-40, -40), (0, 0), (99, 99), (140, 140), (5000, 5000)])
def test_a_small_face_that_lies_anywhere_is_cut_out_or_refused(backend, x, y):
    points = np.array([[-8, -8], [8, -8], [0, 0], [-6, 8], [6, 8]], np.float32)
    face = Face(Box(0, 0, 1, 1), 0.9, points + np.array([x, y], np.float32))
    try:
        chip = backend.chip(flat(100, 100), face)
    except BadPicture:
        return
    assert chip.shape == (backend.side, backend.side, 3)


# --- how it describes


def test_a_vector_is_what_the_registry_says(backend, portrait):
    found = vector(backend, portrait)
    assert dimensions_of(backend.model) == backend.dimensions
    assert found.shape == (backend.dimensions,)
    assert found.dtype == np.float32
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
    assert found.flags.writeable, "whoever asked overwrites it"


def test_a_chip_is_of_the_models_own_size_and_upright(backend, portrait):
    chip = backend.chip(portrait, backend.detect(portrait)[0])
    assert chip.shape == (backend.side, backend.side, 3)
    assert chip.dtype == np.uint8
    turned = cv2.warpAffine(portrait, cv2.getRotationMatrix2D((224, 120), 15, 1), (512, 512))
    assert vector(backend, turned) @ backend.embed(chip) > TURNED_MIN[backend.model]


def test_the_same_picture_gives_the_same_vector_whatever_came_between(backend, portrait):
    chip = backend.chip(portrait, backend.detect(portrait)[0])
    before = chip.copy()
    first = backend.embed(chip)
    kept = first.copy()
    backend.embed(np.zeros_like(chip))
    assert np.array_equal(first, kept), "it is the caller's own, not the library's memory"
    first.fill(0)
    assert np.allclose(backend.embed(chip), kept, atol=1e-6)
    assert np.array_equal(chip, before)


def test_the_mirror_image_is_the_same_person(backend, portrait):
    chip = backend.chip(portrait, backend.detect(portrait)[0])
    both = backend.embed(chip, mirrored=True)
    assert np.linalg.norm(both) == pytest.approx(1, abs=1e-5)
    assert both @ backend.embed(chip) > 0.9
    assert np.allclose(
        both, backend.embed(np.ascontiguousarray(chip[:, ::-1]), mirrored=True), atol=1e-4
    )


def test_two_photographs_of_one_person_are_more_alike_than_of_two(backend, people):
    vectors = np.array([[vector(backend, picture) for picture in pair] for pair in people])
    scores = vectors[:, 0] @ vectors[:, 1].T
    own, others = np.diag(scores), scores[~np.eye(len(scores), dtype=bool)]
    assert own.mean() > ALIKE_MIN[backend.model]
    assert own.mean() - others.mean() > APART_MIN[backend.model]
    assert (scores.argmax(axis=1) == np.arange(len(scores))).all()


@pytest.mark.parametrize("side", [0, 1, 127, 149, 1000])
def test_what_is_no_chip_is_refused(backend, side):
    with pytest.raises(BadPicture):
        backend.embed(flat(side, side))


NOBODY = {
    "zero": np.zeros((5, 2), np.float32),
    "nan": np.full((5, 2), np.nan, np.float32),
    "infinite": np.full((5, 2), np.inf, np.float32),
    "one place": np.full((5, 2), 30, np.float32),
}


@pytest.mark.parametrize("points", NOBODY.values(), ids=NOBODY)
def test_a_face_of_impossible_points_is_refused(backend, points):
    with pytest.raises(BadPicture):
        backend.chip(flat(100, 100), Face(Box(10, 10, 60, 60), 0.9, points))


@pytest.mark.parametrize(
    "answer", [[np.nan] * 4, [np.inf] * 4, [0.0] * 4, [1.0] * 3, [[1.0] * 4]], ids=str
)
def test_an_answer_that_is_no_vector_is_told_and_nothing_remains_of_it(answer):
    looks = [np.ones(4, np.float32), np.array(answer, np.float32)]
    with pytest.raises(BadModel, match="no vector of 4 numbers"):
        united(looks, 4)
    assert not any(look.any() for look in looks)


def test_what_went_into_a_vector_is_overwritten():
    looks = [np.array([3.0, 4.0], np.float32), np.array([0.0, 2.0], np.float32)]
    expected = np.array([0.6, 1.8]) / np.hypot(0.6, 1.8)
    assert np.allclose(united(looks, 2), expected)
    assert not any(look.any() for look in looks)


def test_opencv_takes_one_processor_only(backend):
    assert cv2.getNumThreads() == 1
