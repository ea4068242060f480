"""The face models of this box: which there are, whether they are whole, and putting them there.

Called by `storebox models` and by the doctor. Files are recognised by SHA-256 before, in
`model_sources.py`; here they are written whole or not at all, readable by everybody.
"""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from edge.errors import BadModel, Refused
from edge.face_files import (
    ONNX,
    FileState,
    chosen,
    model_named,
    own_names,
    read_verified,
    states,
)
from edge.face_models import AUTO, DLIB, KNOWN, FaceModel, ModelFile
from edge.operation.model_sources import Offer
from edge.whole_file import write_whole

FILE_MODE = 0o644
FOLDER_MODE = 0o755
"""Each sensor reads the models under a user of its own."""


class ModelState(StrEnum):
    """How a model stands on this box."""

    INSTALLED = "installed"
    NOT_INSTALLED = "not installed"
    INCOMPLETE = "incomplete"
    WRONG = "WRONG"


class FileFacts(Struct, frozen=True):
    """One file of a model, and how it is."""

    name: str
    sha256: str
    state: FileState


class ModelFacts(Struct, frozen=True):
    """One model as `storebox models list` shows it. `used`: faces are found or described by it."""

    id: str
    purpose: str
    dimensions: int
    state: ModelState
    used: bool
    licence: str
    source: str
    card: str
    files: tuple[FileFacts, ...]


class Trouble(Struct, frozen=True):
    """A model that cannot be used as it lies there."""

    model: str
    what: str
    remedy: str


def overview(directory: Path, wanted: str = AUTO) -> list[ModelFacts]:
    """Every known model, and the networks of one's own; every file is read and hashed."""
    try:
        described = chosen(directory, wanted)
    except BadModel:
        described = wanted
    own, _ = _own(directory)
    return [_facts(directory, model, described) for model in (*KNOWN.values(), *own)]


def _facts(directory: Path, model: FaceModel, described: str) -> ModelFacts:
    files = tuple(
        FileFacts(file.name, file.sha256, state) for file, state in states(directory, model)
    )
    state = _state({file.state for file in files})
    finds = not model.dimensions and state is ModelState.INSTALLED
    return ModelFacts(
        id=model.id,
        purpose=model.purpose,
        dimensions=model.dimensions,
        state=state,
        used=finds or model.id == described,
        licence=model.licence.name,
        source=model.licence.source,
        card=model.card,
        files=files,
    )


def _state(found: set[FileState]) -> ModelState:
    if FileState.WRONG in found:
        return ModelState.WRONG
    if found == {FileState.GOOD}:
        return ModelState.INSTALLED
    return ModelState.INCOMPLETE if FileState.GOOD in found else ModelState.NOT_INSTALLED


def _own(directory: Path) -> tuple[list[FaceModel], list[Trouble]]:
    """The networks of one's own, and what is wrong with their cards."""
    found, wrong = [], []
    for name in own_names(directory):
        try:
            found.append(model_named(directory, f"{ONNX}{name}"))
        except BadModel as error:
            wrong.append(Trouble(f"{ONNX}{name}", error.what, error.remedy))
    return found, wrong


def troubles(directory: Path, wanted: str = AUTO) -> list[Trouble]:
    """What is wrong with the models on this box; empty if all is well.

    A model of which nothing is installed is no trouble, unless the configuration wants it.
    """
    own, found = _own(directory)
    needed = {model.id for model in own} | {DLIB}
    try:
        needed.add(chosen(directory, wanted))
    except BadModel as error:
        found.append(Trouble(wanted, error.what, error.remedy))
    for model in (*KNOWN.values(), *own):
        faults = [_fault(directory, model, file) for file in model.files]
        untouched = all(fault is not None and fault.missing for fault in faults)
        if model.id in needed or not untouched:
            found += [Trouble(model.id, each.what, each.remedy) for each in faults if each]
    return found


def _fault(directory: Path, model: FaceModel, file: ModelFile) -> BadModel | None:
    try:
        read_verified(directory, model, file)
    except BadModel as error:
        return error
    return None


def install(directory: Path, offers: Iterable[Offer]) -> list[Path]:
    """Write the offered files into `directory`, which is made if it is missing.

    The paths, after they were read back. Refused if they cannot be written.
    """
    written = []
    for offer in offers:
        path = directory / offer.file.name
        try:
            if not directory.is_dir():
                directory.mkdir(parents=True)
                directory.chmod(FOLDER_MODE)  # whatever the umask says
            write_whole(path, offer.content, FILE_MODE)
        except OSError as error:
            raise Refused(
                f"{path} cannot be written: {error.strerror}.",
                "Try it with sudo, or free some space.",
            ) from error
        read_verified(directory, offer.model, offer.file)
        written.append(path)
    return written


def still_missing(directory: Path, model: FaceModel) -> list[str]:
    """The names of a model's files that are not there, or not as they should be."""
    return [file.name for file, state in states(directory, model) if state is not FileState.GOOD]
