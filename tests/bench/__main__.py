"""`python -m tests.bench [AREA ...] [--part PART]`: measure, print, write `build/bench/AREA.json`.

A part of an area is a module here with `run() -> list[dict]`: entries {name, value, unit, baseline,
ratio, goal, met}. A goal that is missed is `met: false`, never left out; the exit code stays 0,
because a figure is a finding and no failure. A rate has its 95 % `interval`, and `resolved: false`
where that spans the goal. One part alone is written to `AREA-PART.json`.
"""

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

AREAS = {
    "core": ("parse", "intake", "footprint"),
    "wifi": ("parse", "tzsp", "capture", "count", "ingredients", "people"),
    "sync": ("drain", "slow", "memory", "datasets", "fleet"),
    "faces": (
        "faces_throughput",
        "backends",
        "faces_accuracy",
        "faces_search",
        "faces_gallery",
        "cameras",
    ),
    "presence": ("card", "town", "day", "withdrawn"),
    "scanners": ("codes",),
}
RESULTS = Path("build/bench")


def main(arguments: list[str]) -> int:
    """Run the areas named, or all, or one part."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("areas", nargs="*", metavar="AREA", help=", ".join(AREAS))
    parser.add_argument("--part", help="only this one: " + ", ".join(sum(AREAS.values(), ())))
    options = parser.parse_args(arguments)
    if unknown := set(options.areas) - set(AREAS):
        parser.error(f"there is no area {', '.join(sorted(unknown))}")
    chosen = options.areas or [
        area for area, parts in AREAS.items() if options.part is None or options.part in parts
    ]
    for area in chosen:
        parts = AREAS[area] if options.part is None else (options.part,)
        if not set(parts) <= set(AREAS[area]):
            parser.error(f"{area} has no part {options.part}")
        measure(area, parts, f"{area}-{options.part}" if options.part else area)
    return 0


def measure(area: str, parts: tuple[str, ...], name: str) -> None:
    """Run the parts, show their figures, and write them to `name`.json."""
    entries: list[dict[str, Any]] = []
    RESULTS.mkdir(parents=True, exist_ok=True)
    for part in parts:
        print(f"measuring {area}: {part} ...", file=sys.stderr, flush=True)
        entries += importlib.import_module(f"tests.bench.{part}").run()
        (RESULTS / f"{name}.json").write_text(json.dumps(entries, indent=1) + "\n")
    show(name, entries)


def show(area: str, entries: list[dict[str, Any]]) -> None:
    """The table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "value", "unit", "baseline", "ratio", "goal", "met", title=area)
    for entry in entries:
        met = {True: "yes", False: "MISSED", None: "-"}[entry["met"]]
        if entry.get("resolved") is False:
            met += ", unresolved"
        cells = (entry[key] for key in ("value", "unit", "baseline", "ratio", "goal"))
        shown = ("-" if cell is None else f"{cell:,}" if _number(cell) else cell for cell in cells)
        table.add_row(entry["name"], *shown, met)
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _number(cell: object) -> bool:
    return isinstance(cell, int | float)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
