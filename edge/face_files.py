"""Files of face models: where they lie, whether they are the right ones, and which model to use.

Used by the core to choose a model, by the sensors to read one, and by `storebox models`. A file is
read once into memory and hashed there, so what was verified is what is loaded. The standard
library only; it writes nothing and changes nothing.
"""

import hashlib
import importlib.util
import os
import re
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
    KNOWN,
    ONNX_DIMENSIONS_MAX,
    REID0095,
    FaceModel,
    Input,
    Licence,
    ModelFile,
    dimensions_of,
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
OWN_MAX = 32
"""Networks of one's own that are looked at."""
INSTALL_AGAIN = "Install the model again: storebox models install."
SETUP_AGAIN = "Install storebox from its lock file again: make setup."


_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_TAKEN = frozenset(file.name for model in KNOWN.values() for file in model.files)
"""A card must not put its own network into the place of a known one."""


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
        if not _FILE_NAME.fullmatch(self.file) or self.file in _TAKEN:
            raise ValueError("`file` is the name of a file beside the card, and of no known model")
        if self.file.endswith(CARD_SUFFIX):
            raise ValueError("`file` is the network, not a card")
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
    *better, packaged = AUTO_ORDER
    return next((model for model in better if installed(directory, KNOWN[model])), packaged)


def installed(directory: Path, model: FaceModel) -> bool:
    """Whether all files of the model are there and as they should be."""
    return all(state is FileState.GOOD for _, state in states(directory, model))


def states(directory: Path, model: FaceModel) -> Iterator[tuple[ModelFile, FileState]]:
    """Each file of a model, and how it is."""
    for file in model.files:
        try:
            read_verified(directory, model, file)
        except BadModel as error:
            yield file, FileState.MISSING if error.missing else FileState.WRONG
        else:
            yield file, FileState.GOOD


def read_verified(directory: Path, model: FaceModel, file: ModelFile) -> bytes:
    """The bytes of a model's file. BadModel if it is missing or anything else than it should be.

    `directory` is the models' own; the files of a packaged model are found without it.
    """
    remedy = SETUP_AGAIN if model.packaged else INSTALL_AGAIN
    path = (_package() if model.packaged else directory) / file.name
    content = _read(path, file.bytes, remedy)
    if content is None or hashlib.sha256(content).hexdigest() != file.sha256:
        raise BadModel(f"{path} is not the file that it should be.", remedy)
    return content


def _package() -> Path:
    try:
        found = importlib.util.find_spec(PACKAGE)
    except (ImportError, ValueError):
        found = None
    if found is None or not found.submodule_search_locations:
        raise BadModel(f"The package {PACKAGE} is not installed.", SETUP_AGAIN, missing=True)
    return Path(found.submodule_search_locations[0], "models")


def _read(path: Path, expected: int, remedy: str) -> bytes | None:
    """The content, or None if it is of another size than expected (0: of any that is allowed).

    At most one byte too many is read, and nothing of what is no file.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > MODEL_BYTES_MAX:
                return None
            content = stream.read((expected or MODEL_BYTES_MAX) + 1)
    except FileNotFoundError as error:
        raise BadModel(f"There is no file {path}.", remedy, missing=True) from error
    except OSError as error:
        raise BadModel(
            f"{path} cannot be read: {error.strerror}.",
            "It must be a file that everybody may read: chmod 0644.",
        ) from error
    return content if len(content) == (expected or len(content)) else None


def _without_waiting(path: str, flags: int) -> int:
    """A pipe in a model's place must not stop the sensor."""
    return os.open(path, flags | os.O_NONBLOCK)


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


def own_names(directory: Path) -> list[str]:
    """The names of the networks of one's own whose cards lie in `directory`, `OWN_MAX` at most."""
    try:
        cards = sorted(path.name for path in directory.glob(f"*{CARD_SUFFIX}"))
    except OSError:
        return []
    return [name.removesuffix(CARD_SUFFIX) for name in cards[:OWN_MAX]]


def own_model(name: str, card: bytes) -> FaceModel:
    """The network of one's own that a card describes. BadModel if the card is none."""
    remedy = f"Correct {name}{CARD_SUFFIX}; edge/face_files.py (Card) says what belongs into it."
    try:
        said = msgspec.json.decode(card, type=Card)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadModel(f"{name}{CARD_SUFFIX} is no model card: {error}.", remedy) from error
    model = FaceModel(
        id=onnx_id(name, said.dimensions, said.sha256),
        purpose="describes faces",
        dimensions=said.dimensions,
        files=(ModelFile(said.file, said.sha256, 0),),
        licence=Licence(said.licence, f"{name}{CARD_SUFFIX}"),
        card=said.about,
        input=said.input,
    )
    if dimensions_of(model.id) is None:
        raise BadModel(
            f"'{name}' cannot be a model's name.",
            "Use at most 32 small letters, digits, '-' or '_', the first a letter or digit.",
        )
    return model


def _own(directory: Path, name: str) -> FaceModel:
    path = directory / f"{Path(name).name}{CARD_SUFFIX}"
    try:
        with open(path, "rb", opener=_without_waiting) as stream:
            content = stream.read(CARD_BYTES_MAX + 1)
    except OSError as error:
        raise BadModel(
            f"The model card {path} cannot be read: {error.strerror}.",
            "Put it beside its network, readable by everybody.",
            missing=isinstance(error, FileNotFoundError),
        ) from error
    if len(content) > CARD_BYTES_MAX:
        raise BadModel(f"{path} is larger than {CARD_BYTES_MAX} bytes.", "Is it a model card?")
    return own_model(path.name.removesuffix(CARD_SUFFIX), content)


def cohort(directory: Path) -> bytes:
    """The verified bytes of the strangers' statistics of `REID0095` (an npz of `mu` and `cov`)."""
    model = KNOWN[REID0095]
    (file,) = (file for file in model.files if file.name == COHORT)
    return read_verified(directory, model, file)
