"""Files of face models: where they lie, whether they are the right ones, and which model to use.

Used by the core to choose a model, by the sensors to read one, and by `storebox models`. A file is
read once into memory and hashed there, so what was verified is what is loaded. The standard
library only; it writes nothing and changes nothing.
"""

import hashlib
import importlib.util
import stat
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec
from msgspec import Struct

from edge.errors import BadModel
from edge.face_models import (
    AUTO,
    AUTO_ORDER,
    COHORT,
    DLIB,
    KNOWN,
    ONNX_DIMENSIONS_MAX,
    FaceModel,
    Input,
    Licence,
    ModelFile,
    onnx_id,
)

PACKAGE = "face_recognition_models"
"""Holds the files of packaged models. It is only looked for: importing it may end the process."""
MODEL_BYTES_MAX = 300 * 1024 * 1024
"""Of one file. The largest permitted network that we know of has 250 MB."""
CARD_BYTES_MAX = 64 * 1024
ONNX = "onnx:"
"""Before the name of a network of one's own, which lies beside its card `NAME.card.json`."""
CARD_SUFFIX = ".card.json"


class FileState(StrEnum):
    """What is known of one file."""

    GOOD = "good"
    MISSING = "missing"
    WRONG = "wrong"


class Card(Struct, frozen=True, forbid_unknown_fields=True):
    """What one must say of an ONNX network of one's own, as JSON in `NAME.card.json`."""

    file: str
    sha256: str
    dimensions: int
    licence: str
    about: str
    input: Input

    def __post_init__(self) -> None:
        """ValueError, which msgspec hands on as its own, for a card that no network can fit."""
        if Path(self.file).name != self.file or self.file.startswith("."):
            raise ValueError("`file` is the name of a file beside the card")
        if len(self.sha256) != 64 or set(self.sha256) - set("0123456789abcdef"):
            raise ValueError("`sha256` has 64 hexadecimal digits in small letters")
        if not 1 <= self.dimensions <= ONNX_DIMENSIONS_MAX:
            raise ValueError(f"`dimensions` lies between 1 and {ONNX_DIMENSIONS_MAX}")
        if not 32 <= self.input.side <= 512 or self.input.colours not in ("bgr", "rgb"):
            raise ValueError("`input` has a `side` of 32 to 512 pixels, and `colours` bgr or rgb")


def chosen(directory: Path, wanted: str = AUTO) -> str:
    """The id of the model to use: `wanted`, or for "auto" the best one that is installed.

    It depends on nothing but what lies in `directory`. A file that was exchanged or cut off does
    not count as installed.
    """
    if wanted != AUTO:
        return model_named(directory, wanted).id
    return next((model for model in AUTO_ORDER if installed(directory, KNOWN[model])), DLIB)


def installed(directory: Path, model: FaceModel) -> bool:
    """Whether all files of the model are there and as they should be."""
    return all(state is FileState.GOOD for _, state in states(directory, model))


def states(directory: Path, model: FaceModel) -> Iterator[tuple[ModelFile, FileState]]:
    """Each file of a model, and how it is."""
    for file in model.files:
        try:
            read_verified(place_of(directory, model), file)
        except BadModel as error:
            yield file, FileState.MISSING if error.missing else FileState.WRONG
        else:
            yield file, FileState.GOOD


def place_of(directory: Path, model: FaceModel) -> Path:
    """The directory in which the files of a model lie."""
    if not model.packaged:
        return directory
    try:
        found = importlib.util.find_spec(PACKAGE)
    except (ImportError, ValueError):
        found = None
    if found is None or not found.submodule_search_locations:
        raise BadModel(
            f"The package {PACKAGE} is not installed.",
            "Install storebox from its lock file again: make setup.",
            missing=True,
        )
    return Path(found.submodule_search_locations[0], "models")


def read_verified(directory: Path, file: ModelFile) -> bytes:
    """The bytes of a model's file. BadModel if it is missing or anything else than it should be."""
    path = directory / file.name
    remedy = f"Install it again with `storebox models install`, or remove {path}."
    content = _read(path, file.bytes)
    if content is None or hashlib.sha256(content).hexdigest() != file.sha256:
        raise BadModel(f"{path} is not the file that it should be.", remedy)
    return content


def _read(path: Path, expected: int) -> bytes | None:
    """At most one byte more than expected; None without reading if the size is already wrong."""
    limit = min(expected or MODEL_BYTES_MAX, MODEL_BYTES_MAX)
    try:
        with path.open("rb") as stream:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
                return None
            content = stream.read(limit + 1)
    except FileNotFoundError as error:
        raise BadModel(
            f"There is no file {path}.", "Install it with `storebox models install`.", missing=True
        ) from error
    except OSError as error:
        raise BadModel(
            f"{path} cannot be read: {error.strerror}.",
            "It must be a file that everybody may read: chmod 0644.",
        ) from error
    return content if len(content) == (expected or len(content)) else None


def model_named(directory: Path, name: str) -> FaceModel:
    """The known model of this id, or the network of one's own whose name or id it is.

    BadModel if there is none.
    """
    if known := KNOWN.get(name):
        if known.dimensions:
            return known
        raise BadModel(f"{name} finds faces but describes none.", "Name one that describes them.")
    if name.startswith(ONNX):
        own = _own(directory, name.removeprefix(ONNX).partition(":")[0])
        if name in (own.id, own.id.rsplit(":", 2)[0]):
            return own
    raise BadModel(
        f"'{name}' is no face model that is known here.",
        "`storebox models list` shows what there is.",
    )


def _own(directory: Path, name: str) -> FaceModel:
    path = directory / f"{Path(name).name}{CARD_SUFFIX}"
    content = _read_card(path)
    try:
        card = msgspec.json.decode(content, type=Card)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadModel(f"{path} is no model card: {error}.", "Correct the card.") from error
    return FaceModel(
        id=onnx_id(name, card.dimensions, card.sha256),
        purpose="describes faces",
        dimensions=card.dimensions,
        files=(ModelFile(card.file, card.sha256, 0),),
        licence=Licence(card.licence, path.name),
        card=card.about,
        input=card.input,
    )


def _read_card(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(CARD_BYTES_MAX + 1)
    except OSError as error:
        raise BadModel(
            f"The model card {path} cannot be read: {error.strerror}.",
            "Put it beside its network, readable by everybody.",
            missing=isinstance(error, FileNotFoundError),
        ) from error
    if len(content) > CARD_BYTES_MAX:
        raise BadModel(f"{path} is larger than {CARD_BYTES_MAX} bytes.", "Is it a model card?")
    return content


def cohort(directory: Path) -> bytes:
    """The verified bytes of the strangers' statistics of `REID0095` (an npz of `mu` and `cov`)."""
    (file,) = (file for file in KNOWN[AUTO_ORDER[0]].files if file.name == COHORT)
    return read_verified(directory, file)
