"""The shop scenario, built once per run of the tests by the same command as the demo uses."""

import atexit
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests.conftest import ROOT

SEED = 7
BUILD_S_MAX = 110.0
"""About 15 s on two free cores; the machine may be shared."""


@cache
def built() -> Path:
    """The directory of the finished scenario; read only."""
    above = Path(tempfile.mkdtemp(prefix="storebox-scenario-"))
    atexit.register(shutil.rmtree, above, ignore_errors=True)
    directory = above / "morning"
    words = [sys.executable, "-m", "sensors.scenario", str(directory), str(SEED)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=BUILD_S_MAX)
    assert done.returncode == 0, done.stderr
    return directory
