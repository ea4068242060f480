"""The size in a picture's header: as the decoder reads it, and BadPicture for anything else."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import BadPicture
from hardware.picture_header import size_of

SUFFIXES = (".png", ".jpg", ".bmp", ".ppm", ".pgm", ".webp")
SIZES = [(1, 1), (7, 3), (640, 360)]


def encoded(suffix: str, size: tuple[int, int], *flags: int) -> bytes:
    chance = np.random.default_rng(size[0])
    picture = chance.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    picture = picture[:, :, 0] if suffix == ".pgm" else picture
    done, content = cv2.imencode(suffix, picture, flags)
    assert done
    return content.tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("size", SIZES)
def test_the_header_is_read_as_the_decoder_reads_it(suffix: str, size: tuple[int, int]) -> None:
    assert size_of(encoded(suffix, size)) == size


@pytest.mark.parametrize("quality", [50, 101])
def test_a_webp_with_and_without_loss(quality: int) -> None:
    assert size_of(encoded(".webp", (33, 21), cv2.IMWRITE_WEBP_QUALITY, quality)) == (33, 21)


def test_a_progressive_jpeg() -> None:
    assert size_of(encoded(".jpg", (33, 21), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)) == (33, 21)


@pytest.mark.parametrize("suffix", [".tiff", ".jp2", ".sr", ".gif"])
def test_what_else_the_decoder_knows_is_refused(suffix: str) -> None:
    with pytest.raises(BadPicture):
        size_of(encoded(suffix, (32, 32)))


@given(st.sampled_from(SUFFIXES), st.integers(0, 200), st.binary(max_size=8), st.integers(0, 200))
def test_a_damaged_header_gives_a_size_or_bad_picture(
    suffix: str, at: int, other: bytes, length: int
) -> None:
    content = bytearray(encoded(suffix, (9, 5)))[: length + 20]
    content[at : at + len(other)] = other
    try:
        width, height = size_of(bytes(content))
    except BadPicture:
        return
    assert min(width, height) >= 1


@given(st.binary(max_size=300))
def test_anything_gives_a_size_or_bad_picture(content: bytes) -> None:
    for start in (b"", b"\xff\xd8", b"BM", b"P6 ", b"RIFF\0\0\0\0WEBPVP8 "):
        try:
            size_of(start + content)
        except BadPicture:
            continue
