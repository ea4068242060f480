"""Builds a scenario's files step by step; the only place that knows them all.

Called by `story.build`. Draws people and clips, embeds the enrolment photographs as a kiosk would,
measures that nobody walking in can be taken for somebody else, and writes what devices will play
and what the platform will send.
"""

from base64 import b64encode
from pathlib import Path

import cv2
import msgspec
import numpy as np

from edge.errors import DeviceError
from edge.face_models import DLIB
from hardware.camera import Picture
from hardware.faces.backends import load
from hardware.faces.face import Face, FaceBackend, Vector
from sensors.scenario import clips, radar, script, shop
from sensors.scenario.cast import PEOPLE, members
from sensors.scenario.faces import altered, outline
from sensors.scenario.story import (
    DURATION_MS,
    START_MS,
    VERSION,
    Likeness,
    Progress,
    Scan,
    Story,
    WalkIn,
    as_json,
)

PHOTOGRAPHS = 3
"""Enrolment pictures per person."""
PHOTOGRAPH_TRIES_MAX = 12
"""Like a kiosk, ask again when no face is found; more than this means that something is wrong."""
MEASURED_FRAMES = (0, 4, 9)
"""Frames of a walk whose distances are measured: far, halfway, near."""
OWN_DISTANCE_MAX = 0.32
OTHERS_DISTANCE_MIN = 0.44
"""Of vectors of length 1. dlib calls up to 0.42 the same person (0.6 of its own, whose length is
about 1.4); the gap between the two makes the demo no luck."""

Templates = dict[str, list[bytes]]
"""Vectors by member id."""


def write(directory: Path, seed: int, progress: Progress) -> Story:
    """Write everything but the story file into `directory`; return what belongs into that."""
    progress("loading the face models")
    backend = load(None, DLIB)
    progress(f"drawing {len(PEOPLE)} people")
    portraits = {person.label: altered(person.face) for person in PEOPLE}
    progress("taking and embedding the enrolment photographs")
    templates = enrolled(backend, portraits, seed)
    visits = script.visits(seed)
    progress(f"filming {len(visits)} walk-ins and measuring their faces")
    film(directory, visits, portraits, seed)
    likeness = tuple(
        measured(backend, directory / visit.clip, visit, templates) for visit in visits
    )
    progress("writing the radio capture, the catalogue and the script")
    heard = radar.write(
        directory / "radar.pcap", seed=seed, start_ms=START_MS, duration_ms=DURATION_MS
    )
    everybody = {member.id: member for member in members(START_MS)}
    products = shop.catalogue()
    acts = script.acts(visits, everybody, {product.sku: product for product in products})
    write_devices(directory, visits, tuple(act for act in acts if isinstance(act, Scan)))
    write_platform(directory, templates, seed)
    return Story(
        version=VERSION,
        seed=seed,
        start_ms=START_MS,
        end_ms=START_MS + DURATION_MS,
        store=shop.STORE,
        visits=visits,
        acts=acts,
        likeness=likeness,
        radar=heard,
    )


def enrolled(backend: FaceBackend, portraits: dict[str, Picture], seed: int) -> Templates:
    """The templates of everybody who agreed to it, embedded from pictures that differ."""
    found: Templates = {}
    for number, person in enumerate(PEOPLE):
        if person.label in script.ENROLLED and person.member is not None:
            chance = np.random.default_rng([seed, 2, number])
            found[person.member] = photographed(backend, portraits[person.label], chance)
    return found


def photographed(
    backend: FaceBackend, portrait: Picture, chance: np.random.Generator
) -> list[bytes]:
    """The vectors of one person's enrolment. DeviceError if no face is found again and again."""
    vectors: list[bytes] = []
    for _ in range(PHOTOGRAPH_TRIES_MAX):
        picture = clips.photograph(portrait, chance)
        found = backend.detect(picture)
        if len(found) == 1:
            vectors.append(described(backend, picture, found[0]).astype("<f4").tobytes())
        if len(vectors) == PHOTOGRAPHS:
            return vectors
    raise DeviceError(
        f"No face was found in {PHOTOGRAPH_TRIES_MAX} drawn photographs.",
        "Build the scenario with another seed.",
    )


def described(backend: FaceBackend, picture: Picture, face: Face) -> Vector:
    """The vector of a face, as the sensor makes it."""
    return backend.embed(backend.chip(picture, face))


def distance(vector: Vector, template: bytes) -> float:
    """How far two directions are apart: 0 is the same picture, 1.41 nothing in common."""
    return float(np.linalg.norm(vector - np.frombuffer(template, "<f4")))


def film(
    directory: Path, visits: tuple[WalkIn, ...], portraits: dict[str, Picture], seed: int
) -> None:
    """One clip per visit."""
    shape = outline()
    for number, visit in enumerate(visits):
        picture = portraits[visit.label]
        clips.render(picture, directory / visit.clip, seed=seed * 1000 + number, outline=shape)


def measured(backend: FaceBackend, clip: Path, visit: WalkIn, templates: Templates) -> Likeness:
    """How far the walk-in's face is from templates. DeviceError if it is not clear whose it is."""
    vectors = [described(backend, frame, face) for frame, face in _faces(backend, clip)]
    if not vectors:
        raise DeviceError(
            f"The camera would see no face in {visit.clip}.",
            "Build the scenario with another seed.",
        )
    own: list[float] = []
    others: list[float] = []
    for member, photographs in templates.items():
        distances = [distance(vector, known) for vector in vectors for known in photographs]
        (own if member == visit.member else others).extend(distances)
    likeness = Likeness(visit.label, max(own, default=None), min(others))
    if max(own, default=0.0) > OWN_DISTANCE_MAX or likeness.others_min < OTHERS_DISTANCE_MIN:
        raise DeviceError(
            f"The face of {visit.label} in {visit.clip} is not clear enough: {likeness}.",
            "Build the scenario with another seed.",
        )
    return likeness


def _faces(backend: FaceBackend, clip: Path) -> list[tuple[Picture, Face]]:
    """The measured frames as the sensor will see them: after the clip's compression."""
    video = cv2.VideoCapture(str(clip))
    found: list[tuple[Picture, Face]] = []
    wanted = {clips.EMPTY_FRAMES + index for index in MEASURED_FRAMES}
    for number in range(max(wanted) + 1):
        _, frame = video.read()
        faces = backend.detect(frame) if number in wanted else []  # type: ignore[arg-type]
        if faces:
            found.append((frame, faces[0]))  # type: ignore[arg-type]
    video.release()
    return found


def write_devices(directory: Path, visits: tuple[WalkIn, ...], scans: tuple[Scan, ...]) -> None:
    """What the simulated camera and scanner play, at offsets from the start."""
    door = {
        "segments": [{"at_ms": visit.at_ms - START_MS, "video": visit.clip} for visit in visits],
        "end_ms": DURATION_MS,
    }
    (directory / "door.json").write_bytes(as_json(door))
    lines = ({"at_ms": scan.at_ms - START_MS, "text": scan.text} for scan in scans)
    encoded = [msgspec.json.encode(line) + b"\n" for line in lines]
    (directory / "scanner.jsonl").write_bytes(b"".join(encoded))


def write_platform(directory: Path, templates: Templates, seed: int) -> None:
    """The rows that the reference platform serves."""
    platform = directory / "platform"
    products = shop.catalogue()
    rows = {
        "members": members(START_MS),
        "templates": [
            {
                "member": member,
                "model": DLIB,
                "vectors": [b64encode(vector).decode() for vector in vectors],
            }
            for member, vectors in templates.items()
        ],
        "catalogue": products,
        "stock": shop.stock(products, np.random.default_rng([seed, 3]), START_MS),
    }
    for name, content in rows.items():
        (platform / f"{name}.json").write_bytes(as_json(content))
