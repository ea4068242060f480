"""The reference platform with a bus tap beside it, for tests of whole programs that start both.

`python -m tests.contract.tapped_platform REPORT ...` runs the platform with the other options, and
writes what was heard at its broker, held against the document, to the file REPORT when it ends.
"""

import json
import sys
from pathlib import Path

from sync.reference.main import main
from tests.contract.tap import Tap, check


def run(report: Path, options: list[str]) -> int:
    """The platform's exit code."""
    tap = Tap()
    tap.connect(int(options[options.index("--broker-port") + 1]))
    try:
        return main(options)
    finally:
        tap.disconnect()
        heard = check(tap.messages, flags=False)
        seen = sorted(f"{channel} {message}" for channel, message in heard.seen)
        report.write_text(json.dumps({"seen": seen, "breaches": heard.breaches}))


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2:]))
