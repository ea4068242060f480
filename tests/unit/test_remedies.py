"""What the platform says of its broker: its own options, and nothing that only a box has."""

from pathlib import Path

import pytest

from edge.errors import StorageError
from sync import credentials, refusals
from sync.reference.remedies import told

PLACE = "broker.example:8883"
CODES = range(256)


def everything():
    """Every error that a connection can end with."""
    yield refusals.unreachable(PLACE, "does not answer")
    yield credentials.unusable(Path("/x.key"), "cannot be read: Permission denied", "key_file")
    for code in CODES:
        yield refusals.not_let_in(PLACE, code, "no", "")
        yield refusals.sent_away(PLACE, code, "no", "")
        yield refusals.not_taken("sb/v1/a/b/c/dn/ack", code, "no")
        yield refusals.not_subscribed("sb/v1/+/+/+/up/+", code, "no")


def test_nothing_speaks_of_a_box_or_of_its_configuration():
    for error in everything():
        sentence = told(error)
        assert "[broker]" not in sentence
        assert "this box" not in sentence
        assert "Another box" not in sentence
        assert sentence.startswith(error.what[:20])
        assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("error", "option"),
    [
        (refusals.unreachable(PLACE, "does not answer"), "--broker-host"),
        (refusals.not_let_in(PLACE, 0x87, "Not authorized", ""), "--cert-file"),
        (refusals.not_let_in(PLACE, 0x86, "Bad password", ""), "--password-file"),
        (refusals.sent_away(PLACE, 0x8E, "Session taken over", ""), "--client-id"),
    ],
)
def test_the_option_is_named(error, option):
    assert option in told(error)


def test_what_is_none_of_the_brokers_stays_as_it_is():
    error = StorageError("The disk is full.", "Make room.")
    assert told(error) == str(error)
