"""storebox's programs as real processes for tests: started, waited for, ended by their own pid."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT

READY_S_MAX = 60.0
END_S_MAX = 15.0
LOOK_S = 0.02


@contextmanager
def program(arguments: Sequence[str], log: Path) -> Iterator[str]:
    """`python -m ARGUMENTS`, until the end of the block; gives the address that it prints."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=errors
        )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            words = [word for word in line.split() if word.startswith("http")]
            assert words, f"{arguments[0]} did not start: {log.read_text(errors='replace')}"
            yield words[0]
        finally:
            process.terminate()
            process.wait(END_S_MAX)
    said = log.read_text(errors="replace")
    assert "Traceback" not in said, said


def until(condition: Callable[[], object], what: str, timeout_s: float = 30.0) -> None:
    """Wait for a condition of another process."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, f"waited {timeout_s:g} s for {what}"
        time.sleep(LOOK_S)
