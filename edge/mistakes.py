"""Mistakes in the configuration, as a person is told of them: the file, the line, plain words.

Used by `edge/config.py`, which finds them. It takes apart the messages of msgspec and tomllib,
looks for the line in the texts, and says what a value must be. It reads no file itself.
"""

import difflib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, inspect

from edge.errors import ConfigError

Sources = tuple[tuple[Path, str], ...]
"""Files with their texts, the one that wins first: where to look for the line of an error."""


_OF_MSGSPEC = ("Expected ", "Invalid ", "Object ")
"""How its complaints begin, which are not for a person."""


def no_toml(path: Path, text: str, error: tomllib.TOMLDecodeError) -> ConfigError:
    """What tomllib complains of, with the line in front. It says "end of document" for the last."""
    what, _, place = str(error).partition(" (at ")
    line = re.match(r"line (\d+)", place)
    number = int(line.group(1)) if line else max(1, len(text.splitlines()))
    return ConfigError(f"{path} line {number}: this is not TOML: {what}.", "Correct that line.")


def explained(
    sources: Sources, reason: str, root: type[Struct], prefix: tuple[str, ...] = ()
) -> ConfigError:
    """msgspec's message about a value of `root` turned into file, line, key and what to do."""
    below, what = _split(reason)
    keys = [*prefix, *below]
    section = ".".join(keys)
    unknown = re.search(r"unknown field `(.+?)`", what)
    if unknown:
        key = unknown.group(1)
        where = line_of(sources, [*keys, key])
        named = f" in [{section}]" if section else ""
        return ConfigError(
            f"{where}: unknown key '{key}'{named}.", suggestion(key, _fields(root, below))
        )
    missing = re.search(r"missing required field `(.+?)`", what)
    if missing:
        named = f"[{section}] needs" if section else "the file needs"
        return ConfigError(f"{line_of(sources, keys)}: {named} '{missing.group(1)}'.", "Add it.")
    if not what.startswith(_OF_MSGSPEC):  # the type's own word, for what no single key is wrong of
        return ConfigError(f"{line_of(sources, keys)}: {section}: {what}.", "Correct it.")
    return ConfigError(
        f"{line_of(sources, keys)}: {section} must be {_expected(root, below)}.", "Correct it."
    )


def suggestion(key: str, known: set[str]) -> str:
    """Which of the `known` keys was perhaps meant; else all of them."""
    close = difflib.get_close_matches(key, sorted(known), n=1)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Known keys: {', '.join(sorted(known))}."


# --- what a value must be


def _split(reason: str) -> tuple[list[str], str]:
    """`Expected int - at $.kiosk.port` -> (["kiosk", "port"], "Expected int").

    Places inside a list (`holds[0]`) are left out: a line is found by its key.
    """
    what, _, place = reason.partition(" - at `$")
    return re.findall(r"\.([^.\[\]`]+)", place), what


def _type(root: Any, keys: list[str]) -> Any:
    """The annotation of the field that `keys` lead to; None if there is no such field."""
    kind = root
    for key in keys:
        if not (isinstance(kind, type) and issubclass(kind, Struct)):
            return None
        kind = next((f.type for f in msgspec.structs.fields(kind) if f.name == key), None)
    return kind


def named_tables(kind: Any) -> type[Struct] | None:
    """What each table must be in a field of tables by their names; None for another field."""
    found = inspect.type_info(kind)
    inner = found.type if isinstance(found, inspect.Metadata) else found
    if isinstance(inner, inspect.DictType) and isinstance(inner.value_type, inspect.StructType):
        return inner.value_type.cls
    return None


def _fields(root: type[Struct], keys: list[str]) -> set[str]:
    kind = _type(root, keys)
    known = getattr(kind, "__struct_fields__", ())
    return set(known) - {"options"}


def _expected(root: type[Struct], keys: list[str]) -> str:
    return _words(inspect.type_info(_type(root, keys)))


def _words(kind: inspect.Type) -> str:
    """A type as a person would say it: `a whole number from 0 to 65535`."""
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=schema):
            return str((schema or {}).get("description") or _words(inner))
        case inspect.IntType():
            return f"a whole number{_range(kind)}"
        case inspect.FloatType():
            return f"a number{_range(kind)}"
        case inspect.BoolType():
            return "true or false"
        case inspect.EnumType(cls=choices):
            return f"one of: {', '.join(str(choice.value) for choice in choices)}"
        case inspect.VarTupleType(item_type=item) | inspect.ListType(item_type=item):
            return f"a list, each entry {_words(item)}"
        case inspect.DictType(value_type=inspect.StructType()):
            return "a table of tables"
        case inspect.DictType(value_type=value):
            return f"a table, each value {_words(value)}"
        case inspect.StructType():
            return "a table"
        case inspect.UnionType(types=types):
            named = (one for one in types if not isinstance(one, inspect.NoneType))
            return " or ".join(_words(one) for one in named)
    return "text"


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    match kind.ge, kind.gt, kind.le, kind.lt:
        case low, None, high, None if low is not None and high is not None:
            return f" from {low:g} to {high:g}"
        case None, low, None, high if low is not None and high is not None:
            return f" between {low:g} and {high:g}"
    named = (
        (kind.ge, "of at least"),
        (kind.gt, "above"),
        (kind.le, "of at most"),
        (kind.lt, "below"),
    )
    limits = [f"{word} {limit:g}" for limit, word in named if limit is not None]
    return f" {' and '.join(limits)}" if limits else ""


# --- where it stands


def line_of(sources: Sources, keys: Sequence[str]) -> str:
    """`FILE line N` of the deepest of `keys` that can be found in the texts."""
    found = [(*_line(text, list(keys)), path) for path, text in sources]
    _, line, path = max(found, key=lambda one: one[0])
    return f"{path} line {line}" if line else str(sources[-1][0])


def _line(text: str, keys: list[str]) -> tuple[int, int]:
    """How many of `keys` lead to the best line, and its number; (0, 0) if none does."""
    table: list[str] = []
    best = (0, 0)
    for number, line in enumerate(text.splitlines(), start=1):
        header = _header(line)
        key = re.match(r'\s*"?([A-Za-z0-9_.-]+)"?\s*=', line)
        if header:
            table = here = header
        elif key:
            here = [*table, *key.group(1).split(".")]
        else:
            continue
        if keys[: len(here)] == here and len(here) > best[0]:
            best = (len(here), number)
    return best


def _header(line: str) -> list[str]:
    """The keys of a table's header (`[sensors."front.door"]`), as TOML itself reads them."""
    if not line.lstrip().startswith("["):
        return []
    try:
        tree: Any = tomllib.loads(line)
    except (tomllib.TOMLDecodeError, RecursionError):
        return []  # the continuation of a list
    keys: list[str] = []
    while tree:
        tree = tree[-1] if isinstance(tree, list) else tree
        for key, below in tree.items():
            keys.append(key)
            tree = below
    return keys
