"""Logins to the Wi-Fi: which are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.logins import normalised

LOGIN = "79161234567"


@pytest.mark.parametrize(
    "typed",
    ["+79161234567", "79161234567", "9161234567", "8 (916) 123-45-67", " +7 916.1234567"],
)
def test_a_number_is_the_same_however_it_is_typed(typed: str) -> None:
    assert normalised(typed) == LOGIN


@given(st.text(max_size=64))
def test_normalising_twice_is_normalising_once(login: str) -> None:
    once = normalised(login)
    assert normalised(once) == once


def test_what_is_no_number_stays_what_it_is() -> None:
    assert normalised(" Anna@Example.org ") == "anna@example.org"
    assert normalised("+8 1234567890") == "81234567890", "Japan's"
    assert normalised("room-12") == "room-12"
