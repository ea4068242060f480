"""`python -m sensors.scenario DIRECTORY [SEED]`: build a scenario in a process of its own.

The demo calls it so, because building loads native libraries that its own process must not have.
A process border: what goes wrong leaves as one sentence and an exit code.
"""

import sys
from pathlib import Path

from edge.errors import StoreboxError
from sensors.scenario.story import build


def main(arguments: list[str]) -> int:
    """Build, telling the progress line by line. 0 when done, 1 with a sentence when not."""
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    seed = int(arguments[1]) if len(arguments) > 1 else 7
    try:
        build(Path(arguments[0]), seed=seed, progress=lambda line: print(line, flush=True))
    except StoreboxError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
