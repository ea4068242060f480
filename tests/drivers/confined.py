"""A short program in a process of its own, if wanted with the /proc that the units leave it.

Called by tests of what must work under `ProcSubset=pid`. It changes nothing for other processes.
"""

import os
import shutil
import subprocess
import sys
from functools import cache

import pytest

from tests.conftest import ROOT

CONFINED = ("unshare", "--mount", "sh", "-c")
MOUNT = "mount -t proc -o subset=pid proc /proc"
"""What systemd.exec(5) does for ProcSubset=pid."""
RUN_S_MAX = 60.0


@cache
def refusal() -> str:
    """Why a /proc cannot be mounted here; empty if it can."""
    if os.geteuid() != 0:
        return "only root may mount /proc"
    if shutil.which("unshare") is None:
        return "there is no unshare"
    tried = subprocess.run([*CONFINED, MOUNT], capture_output=True, text=True)
    return tried.stderr.strip() if tried.returncode else ""


def printed(program: str, *, confined: bool, **environment: str) -> str:
    """What a Python program prints; without `confined` in the /proc of this machine."""
    words = [sys.executable, "-c", program]
    if confined:
        if why := refusal():
            pytest.skip(f"ProcSubset=pid cannot be had here: {why}")
        words = [*CONFINED, f'{MOUNT} && test ! -e /proc/sys && exec "$0" "$@"', *words]
    ran = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()
