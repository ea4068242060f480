"""`python -m tests.bench [AREA]`: measure, print a table, write `build/bench/AREA.json`.

An area is a module here with `run() -> list[dict]`: entries {name, value, unit, baseline, ratio,
goal, met}. A goal that is missed is `met: false`, never left out; the exit code stays 0, because
a figure is a finding and no failure.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

AREAS = {"core": ("parse", "intake", "footprint")}
RESULTS = Path("build/bench")


def main(arguments: list[str]) -> int:
    """Run the areas named, or all."""
    unknown = set(arguments) - set(AREAS)
    if unknown:
        print(f"There is no area {', '.join(sorted(unknown))}. Areas: {', '.join(AREAS)}.")
        return 2
    for area in arguments or AREAS:
        entries: list[dict[str, Any]] = []
        for part in AREAS[area]:
            print(f"measuring {area}: {part} ...", file=sys.stderr, flush=True)
            entries += importlib.import_module(f"tests.bench.{part}").run()
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{area}.json").write_text(json.dumps(entries, indent=1) + "\n")
        show(area, entries)
    return 0


def show(area: str, entries: list[dict[str, Any]]) -> None:
    """The table for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "value", "unit", "baseline", "ratio", "goal", "met", title=area)
    for entry in entries:
        met = {True: "yes", False: "MISSED", None: "-"}[entry["met"]]
        cells = (entry[key] for key in ("value", "unit", "baseline", "ratio", "goal"))
        shown = ("-" if cell is None else f"{cell:,}" if _number(cell) else cell for cell in cells)
        table.add_row(entry["name"], *shown, met)
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _number(cell: object) -> bool:
    return isinstance(cell, int | float)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
