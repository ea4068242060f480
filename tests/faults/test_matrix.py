"""MATRIX.md names tests that are there, at least one for each of the seventeen rows."""

import re
from pathlib import Path

from tests.conftest import ROOT

MATRIX = (Path(__file__).parent / "MATRIX.md").read_text(encoding="utf-8")
ROWS = 17


def test_every_row_is_shown_by_a_test():
    rows = {int(number): text for number, text in re.findall(r"^\| (\d+) \|(.*)$", MATRIX, re.M)}
    assert sorted(rows) == list(range(1, ROWS + 1))
    assert all("::test_" in text for text in rows.values())


def test_every_test_that_is_named_is_there():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", MATRIX)
    assert len(named) > ROWS
    for path, name in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(?:async )?def {name}\(", text, re.M), f"{path} has no {name}"
