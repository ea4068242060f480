"""The hardware address of a phone or a radio (IEEE 802, 48 bits), however it is written.

Used by options, drivers and the technician's command. Pure; it never repeats what it was given.
"""

import re
from typing import Annotated

from msgspec import Meta

PATTERN = r"^([0-9A-Fa-f][-:. ]?){11}[0-9A-Fa-f]\Z"
"""Twelve hexadecimal digits, between which people and devices put all sorts of marks."""
_WRITTEN = re.compile(PATTERN)

HardwareAddress = Annotated[
    str, Meta(pattern=PATTERN, description="an address such as aa:bb:cc:dd:ee:ff")
]


def address_of(text: str) -> bytes:
    """The six bytes of an address in any usual spelling; empty if it is none."""
    if not _WRITTEN.search(text.strip()):
        return b""
    return bytes.fromhex("".join(character for character in text if character.isalnum()))
