"""How facts look: tables and plain words for a person, one JSON object for a program.

Used by every command. Facts go to standard output, remarks to standard error. There is no colour
unless a person looks on, and what came from outside cannot move the terminal's cursor.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec

PIPED_COLUMNS = 200
"""Nobody wraps a pipe; a fixed width keeps what grep finds in one line."""


def as_json(facts: Any) -> None:
    """Print facts as indented JSON."""
    print(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())


def say(remark: str) -> None:
    """A remark to the person, away from the facts."""
    print(printable(remark), file=sys.stderr)


def table(columns: Iterable[str], rows: Iterable[Iterable[Any]], *, empty: str = "") -> None:
    """Print rows under headings; `empty` in words when there are none."""
    from rich.table import Table

    drawn = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        drawn.add_row(*(printable(_words(cell)) for cell in row))
    if drawn.row_count == 0 and empty:
        print(empty)
    else:
        _console().print(drawn)


def pairs(rows: Iterable[tuple[str, Any]]) -> None:
    """Print names with their values, one a line."""
    from rich.table import Table

    drawn = Table.grid(padding=(0, 2))
    for name, value in rows:
        drawn.add_row(name, printable(_words(value)))
    _console().print(drawn)


def verdict(ok: bool) -> str:
    """`ok` or `FAILED`."""
    return "ok" if ok else "FAILED"


def local_time(wall_ms: int | None) -> str:
    """Unix milliseconds in the technician's own time; a dash for never."""
    if wall_ms is None:
        return "-"
    return datetime.fromtimestamp(wall_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """`3 d 4 h`, `5 min 6 s`: the two largest units."""
    left = int(seconds)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def printable(text: str) -> str:
    """The text without control characters: names and device texts come from outside."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


@contextmanager
def progress(what: str) -> Iterator[Callable[[float], None]]:
    """A bar on standard error while somebody looks on; nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True, markup=False), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda done: bar.update(task, completed=done)


def _words(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {count}" for name, count in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value) or "-"
    return str(value)


def _console() -> Any:
    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPED_COLUMNS
    return Console(markup=False, highlight=False, emoji=False, width=width)
