"""`storebox scanners`: what scanned codes mean, in plain words.

Works with the daemon dead and before there is a configuration. It opens no device and no address,
keeps nothing, and never shows a text that may hold a payment card.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli import printing
from edge.cli.options import CONFIG_FILE, AsJson, ConfigFile
from edge.codes.meaning import Via

if TYPE_CHECKING:
    from edge.codes.context import Rules
    from edge.codes.meaning import Meaning

CODES_MAX = 100_000
"""Of one file; more is no longer read by a person."""
LINE_BYTES_MAX = 64 * 1024
SHOWN_CHARACTERS_MAX = 120
_WRITTEN_SEPARATORS = ("\\x1d", "\\u001d", "^]")
"""How files and terminals write GS."""

app = typer.Typer(help="Code scanners, and what they read.", no_args_is_help=True)


@app.command("decode")
def decode(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="One code a line; - is stdin.")],
    via: Annotated[Via, typer.Option(help="The kind of device that the codes came from.")] = (
        Via.SERIAL
    ),
    config: ConfigFile = CONFIG_FILE,
    json: AsJson = False,
) -> None:
    """Say of each code of a file what it means and why; GS may be written as \\x1d or <GS>."""
    from edge.codes.classify import classify
    from edge.codes.context import Context

    context = Context(_rules(config), via, int(time.time()))
    decoded = (
        (number, text, classify(text, context)) for number, text in enumerate(_codes(file), 1)
    )
    if json:
        printing.as_json({"codes": [_facts(*each) for each in decoded]})
        return
    for number, text, meaning in decoded:
        facts = _facts(number, text, meaning)
        print(f"{number}: {_short(facts['text'] or '(not shown)')}")
        for name, value in facts["meaning"].items():
            if name != "why" and value not in (None, "", ()):
                print(printing.printable(f"   {name.replace('_', ' ')}: {_words(value)}"))
        for reason in meaning.why:
            print(printing.printable(f"   - {reason}"))


def _facts(number: int, text: str, meaning: "Meaning") -> dict[str, Any]:
    """One code and its meaning as plain values, without what may be a card's number."""
    import msgspec

    shown = None if _may_hold_card(text, meaning) else text
    return {"number": number, "text": shown, "meaning": msgspec.to_builtins(meaning)}


def _may_hold_card(text: str, meaning: "Meaning") -> bool:
    """Whether a text is kept from the screen; of what means nothing the strictest guard decides."""
    from edge.codes.meaning import Malformed, PaymentCard, Unknown, WebLink
    from edge.codes.payment_card import holds_card

    if isinstance(meaning, PaymentCard):
        return True
    return isinstance(meaning, Malformed | Unknown | WebLink) and holds_card(text, Via.TYPED)


def _codes(file: str) -> Iterator[str]:
    """The lines that are not empty. InputError if the file cannot be read or never ends."""
    from edge.errors import InputError

    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as source:
            count = 0
            while line := source.readline(LINE_BYTES_MAX):
                text = line.decode(errors="replace").rstrip("\r\n")
                for written in _WRITTEN_SEPARATORS:
                    text = text.replace(written, "\x1d")
                if text.strip():
                    count += 1
                    yield text
                if count >= CODES_MAX:
                    raise InputError(f"There are more than {CODES_MAX} codes.", "Split the file.")
    except OSError as error:
        raise InputError(
            f"{file} cannot be read: {error.strerror}.", "Check its name and permissions."
        ) from error


def _rules(path: Path) -> "Rules":
    """The shop's own numbers; none while there is no configuration."""
    from edge.codes.context import NO_RULES, Rules
    from edge.config import load

    if not path.exists():
        return NO_RULES
    codes = load(path).codes
    return Rules(loyalty=codes.cards, layouts=codes.layouts, hosts=codes.hosts)


def _short(text: str) -> str:
    shown = printing.printable(text.replace("\x1d", "<GS>").replace("\n", " "))
    return shown if len(shown) <= SHOWN_CHARACTERS_MAX else shown[:SHOWN_CHARACTERS_MAX] + "..."


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_words(each) for each in value)
    if isinstance(value, dict):
        if "ai" in value:
            return f"({value['ai']}) {value['title']} {value['value']}"
        return " ".join(_words(each) for each in value.values())
    return str(value)
