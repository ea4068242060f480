"""The words on the screens: nothing untranslated, and money, plurals and reasons as people read."""

import ast
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.pofile import read_po

from kiosk.words import LANGUAGES, Words, first_name
from tests.conftest import ROOT

DESKS = (
    ROOT / "edge" / "ordering" / "continuing.py",
    ROOT / "edge" / "ordering" / "desk.py",
    ROOT / "edge" / "presence" / "desk.py",
    ROOT / "edge" / "presence" / "enrolment.py",
)
REFUSALS = {"Refused", "UnknownProduct", "EmptyCart"}
NBSP, NNBSP = "\xa0", "\u202f"


def said() -> set[str | tuple[str, ...]]:
    """Every sentence in the code and the templates that is to be translated."""
    found: set[str | tuple[str, ...]] = set()
    for path in sorted((ROOT / "kiosk").rglob("*")):
        method = {".py": "python", ".html": "jinja2.ext:babel_extract"}.get(path.suffix)
        if method:
            keywords = {**DEFAULT_KEYWORDS, "text": None, "plural": (1, 2)}
            with path.open("rb") as file:
                found |= {message for _, message, _, _ in extract(method, file, keywords=keywords)}
    return found.union(*map(refusals, DESKS))


def refusals(path: Path) -> set[str | tuple[str, ...]]:
    """The sentences a desk refuses with: shoppers read them too."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return {
        argument.value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in REFUSALS
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }


def catalogue(language: str) -> Catalog:
    path = ROOT / "kiosk" / "locale" / language / "LC_MESSAGES" / "storebox.po"
    with path.open("rb") as file:
        return read_po(file, locale=language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_said_is_translated_and_nothing_else_is_kept(language):
    known = {message.id: message.string for message in catalogue(language) if message.id}
    assert set(known) == said()
    for sentence, translation in known.items():
        forms = [translation] if isinstance(translation, str) else list(translation)
        assert all(forms), f"{sentence!r} lacks a translation"


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_what_is_filled_in(language):
    for message in catalogue(language):
        errors = [str(error) for error in message.check()]
        assert not errors, f"{message.id!r}: {errors}"


def test_russian_counts():
    words = Words("ru", "RUB")
    one, many = "member", "members"
    assert [words.plural(one, many, n) for n in (1, 2, 5, 11, 21)] == [
        "участник",
        "участника",
        "участников",
        "участников",
        "участник",
    ]


@pytest.mark.parametrize(
    ("language", "currency", "minor", "text"),
    [
        ("ru", "RUB", 499000, f"4{NBSP}990{NBSP}₽"),
        ("ru", "RUB", 99950, f"999,50{NBSP}₽"),
        ("ru", "RUB", 0, f"0{NBSP}₽"),
        ("en", "RUB", 499000, "₽4,990"),
        ("en", "EUR", 1999, "€19.99"),
        ("en", "JPY", 1500, "¥1,500"),
        ("ru", "RUB", 10**14 + 1, f"1{NBSP}000{NBSP}000{NBSP}000{NBSP}000,01{NBSP}₽"),
    ],
)
def test_money(language, currency, minor, text):
    assert Words(language, currency).money(minor) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.999999, "99.9%"), (1.0, "100%"), (0.8349, "83%"), (0.99, "99%"), (0.0, "0%")],
)
def test_a_probability_never_promises_more(share, text):
    assert Words("en", "RUB").probability(share) == text


def test_times_are_those_of_the_shop():
    words = Words("ru", "RUB", "Europe/Moscow")
    midnight_utc_ms = 1_785_542_400_000
    assert words.time(midnight_utc_ms) == "03:00"
    assert words.day(midnight_utc_ms - 2 * 3_600_000) == words.day(midnight_utc_ms)
    assert words.ago(-5) == "только что"
    assert words.ago(5 * 60_000) == "5 минут назад"
    assert words.duration(12 * 60_000) == "12 минут"


def test_reasons_are_told_in_the_language_of_staff():
    words = Words("ru", "RUB")
    card = words.reason("card scanned at till (+20.7)")
    face = words.reason("face at door: 4 frames, score 0.31 (+11.4)")
    assert card == "Карта отсканирована: till (+20.7)"
    assert face == "Лицо, камера door, кадров: 4, сходство 0.31 (+11.4)"
    doubted = words.reason("face at door: 4 frames, score -0.02, not sure (+3.0)")
    assert doubted == "Лицо, камера door, не наверняка, кадров: 4, сходство -0.02 (+3.0)"
    assert words.reason("something new") == "something new"


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("Anna Petrova", "Anna"),
        ("Петрова Анна Сергеевна", "Анна"),
        ("Иван Петрович", "Иван"),
        ("Мария", "Мария"),
        ("", ""),
    ],
)
def test_first_names(name, called):
    assert first_name(name) == called


def test_what_no_catalogue_knows_is_excused():
    words = Words("ru", "RUB")
    assert words.sentences(("Disk on fire.", "Run away.")).startswith("Сейчас это не получится.")
    assert words.sentences(()) == ""
