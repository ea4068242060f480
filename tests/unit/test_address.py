"""A hardware address in whatever spelling it comes: its bytes, or nothing at all."""

import msgspec
import pytest

from hardware.address import HardwareAddress, address_of

PHONE = bytes.fromhex("30392686ccea")


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("30:39:26:86:CC:EA", PHONE),
        ("30-39-26-86-cc-ea", PHONE),
        ("3039.2686.ccea", PHONE),
        ("30392686CCEA", PHONE),
        ("30:39:26:86:CC:EA:00", b""),
        (" 30 39 26 86 cc ea ", PHONE),
        ("30:39:26:86:CC", b""),
        ("30::39:26:86:CC:EA", b""),
        ("30:39:26:86:CC:EG", b""),
        ("", b""),
        ("１２３４５６７８９０１２", b""),
    ],
)
def test_an_address_is_its_twelve_digits(written: str, address: bytes) -> None:
    assert address_of(written) == address


@pytest.mark.parametrize("written", ["30-39-26-86-cc-ea", "3039.2686.ccea", "30392686CCEA"])
def test_an_option_may_be_written_in_the_same_ways(written: str) -> None:
    assert msgspec.convert(written, HardwareAddress) == written


@pytest.mark.parametrize("written", ["hall", "30:39:26:86:CC", "30:39:26:86:CC:EA\n"])
def test_an_option_that_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(written, HardwareAddress)
