"""The shop scenario, built once per run of the tests by the same command as the demo uses.

All workers of pytest-xdist share it: the first that wants it builds it, the others wait.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER_VARIABLE = "STOREBOX_TEST_SCENARIO"
SEED = 7
BUILD_S_MAX = 110.0
"""About 15 s on two free cores; the machine may be shared."""


@contextmanager
def shared_folder() -> Iterator[None]:
    """A folder for the scenario during the block, which child processes find as well."""
    if FOLDER_VARIABLE in os.environ:
        yield  # we are such a child
        return
    folder = os.environ[FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="storebox-scenario-")
    try:
        yield
    finally:
        del os.environ[FOLDER_VARIABLE]
        shutil.rmtree(folder, ignore_errors=True)


@cache
def built() -> Path:
    """The directory of the finished scenario; read only."""
    above = Path(os.environ[FOLDER_VARIABLE])
    directory = above / "morning"
    with (above / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            draft = above / "draft"
            words = [sys.executable, "-m", "sensors.scenario", str(draft), str(SEED)]
            done = subprocess.run(
                words, cwd=ROOT, capture_output=True, text=True, timeout=BUILD_S_MAX
            )
            assert done.returncode == 0, done.stderr
            draft.rename(directory)
    return directory
