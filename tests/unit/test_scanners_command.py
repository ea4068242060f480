"""`storebox scanners decode`: codes of a file or pipe explained; a payment card is never shown."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edge.cli.exits import FAILED, OK
from edge.cli.main import app
from edge.codes.check_digits import gs1_check
from edge.codes.meaning import Via
from edge.config import load
from edge.errors import ConfigError, InputError

BOX = '[box]\ntenant = "shop"\nstore = "s1"\nbox = "b1"\n'
CODES = BOX + (
    '[codes]\ncards = [{ name = "gold", first = "9643000000000000", last = "9643000000999999" }]\n'
    'layouts = [{name = "scales", pattern = "22IIIIIWWWWWC", measure = "weight", divisor = 1000}]\n'
)
WEIGHED = "221234500750"
CARDS = ("4111111111111111", "%B4111111111111111^A/B^2512101?", ";4111111111111111=2512101?")


def decoded(*words: object, stdin: str | bytes = "", code: int = OK) -> str:
    done = CliRunner().invoke(app, ["scanners", "decode", *map(str, words)], input=stdin)
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    return tmp_path / "none.toml"


def test_a_file_of_codes_is_explained(tmp_path: Path, nowhere: Path) -> None:
    codes = tmp_path / "codes.txt"
    codes.write_text("4600000000015\r\n\n]d2010460000000001521abc\\x1d91EE06\\x1d92" + "x" * 44)
    told = decoded(codes, "-c", nowhere)
    for word in (
        "trade_item",
        "04600000000015",
        "EAN-13",
        "]d2: GS1 DataMatrix",
        "(21) SERIAL abc",
    ):
        assert word in told
    assert "<GS>91EE06" in told


def test_every_code_of_a_pipe_is_one_json_object(nowhere: Path) -> None:
    told = json.loads(decoded("-", "--json", "-c", nowhere, stdin="14600000000012\nSKU-17\n"))
    case, unknown = told["codes"]
    assert case["meaning"]["type"] == "trade_item"
    assert case["meaning"]["item"] == "04600000000015"
    assert (unknown["text"], unknown["meaning"]["type"]) == ("SKU-17", "unknown")


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize("via", list(Via))
def test_a_payment_card_is_never_shown(form: tuple[str, ...], via: Via, nowhere: Path) -> None:
    lines = [
        *CARDS,
        f"card: {CARDS[0]}",
        f"\x07{CARDS[0]}",
        f"https://a.b/?{CARDS[0]}",
        "4111 1111 1111 1111",
        "٤" + "1" * 15,
    ]
    told = decoded("-", "--via", via, *form, "-c", nowhere, stdin="\n".join(lines))
    assert told.count("not shown") + told.count('"text": null') == len(lines)
    assert "1111" not in told


def test_the_shops_own_numbers_come_from_its_configuration(tmp_path: Path) -> None:
    config = tmp_path / "storebox.toml"
    config.write_text(CODES)
    stdin = f"9643000000000007\n{WEIGHED}{gs1_check(WEIGHED)}\n"
    card, weighed = json.loads(decoded("-", "--json", "-c", config, stdin=stdin))["codes"]
    assert card["meaning"]["range"] == "gold"
    assert weighed["meaning"]["weight_kg"] == "0.750"
    config.write_text(
        BOX + '[codes]\nlayouts = [{ name = "a", pattern = "22", measure = "weight" }]'
    )
    with pytest.raises(ConfigError, match=r"line 6: .*no layout like 22IIIIIWWWWWC"):
        load(config)


def test_what_moves_a_cursor_is_not_printed(nowhere: Path) -> None:
    told = decoded("-", "-c", nowhere, stdin=b"\x1b[2J460\xe2\x80\xae12\n\xff\xfe12\n")
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "control character" in told
    assert "no UTF-8" in told


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path, nowhere: Path) -> None:
    done = CliRunner().invoke(app, ["scanners", "decode", str(tmp_path / "no"), "-c", str(nowhere)])
    assert done.exit_code == FAILED
    assert isinstance(done.exception, InputError)
    assert "cannot be read" in str(done.exception)
