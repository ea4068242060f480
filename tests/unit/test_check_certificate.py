"""The doctor's check of the box's certificate: good, about to expire, expired, or none at all."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge.config import load
from edge.errors import NotReachable
from edge.operation.checks import certificate
from edge.operation.finding import Context, Finding
from edge.records import Moment
from sync.reference.keys import Authority, issued
from tests.certificates import self_signed

HOUR_MS = 3_600_000
DEAD = NotReachable("The daemon does not run.", "Start it.")
BOX = '[box]\ntenant = "shop"\nstore = "s1"\nbox = "b1"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A certificate that is good from yesterday until tomorrow."""
    return self_signed(tmp_path)[0]


def found(file: Path, section: str, left_h: float = 0, *, trusted: bool = True) -> Finding:
    """What is found so many hours before tomorrow, by a box with `section`."""
    path = file.with_name("box.toml")
    path.write_text(BOX + section)
    tomorrow_ms = round(datetime.now(UTC).timestamp() * 1000) + 24 * HOUR_MS
    now = Moment(tomorrow_ms - round(left_h * HOUR_MS), 0, "boot", trusted)
    return certificate.check(Context(path, load(path), DEAD, now))


def configured(file: Path, section: str = "broker") -> str:
    return f'[{section}]\ncert_file = "{file}"\n'


def test_a_box_without_one_needs_none(file):
    assert found(file, "").ok


@pytest.mark.parametrize("section", ["broker", "shop_broker"])
def test_what_is_not_good_now_is_said(file, section):
    mine = configured(file, section)
    assert "in 0 days" in found(file, mine, 12).cause
    assert "expired on" in found(file, mine, -1).cause
    assert "not valid yet" in found(file, mine, 24 * 13).cause
    assert "storebox enrol" in found(file, mine, -1).remedy
    file.write_text("nothing")
    assert "no certificate in PEM" in found(file, mine, 12).cause
    file.unlink()
    assert "There is no certificate" in found(file, mine, 12).cause


def test_it_complains_two_weeks_before(file):
    key = ec.generate_private_key(ec.SECP256R1())
    authority = Authority(key, x509.load_pem_x509_certificate(file.read_bytes()))
    made = issued(authority, key.public_key(), "b1", days=15)
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    # It ends 14 days after tomorrow.
    assert found(file, configured(file), 1).ok
    finding = found(file, configured(file), -1)
    assert not finding.ok
    assert "in 13 days" in finding.cause


def test_a_clock_that_nobody_trusts_judges_nothing(file):
    finding = found(file, configured(file), 12, trusted=False)
    assert not finding.ok
    assert not finding.made
