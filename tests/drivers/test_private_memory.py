"""Nobody but root looks into a sensor's memory: no core dump, no /proc/PID/mem, no debugger."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

NOBODY = 65_534
RUN_S_MAX = 60.0

STARTED = """
import ctypes, resource
from sensors import worker
worker.main()  # it ends at once, without a core on fd 3
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))
"""
"""3 is PR_GET_DUMPABLE, prctl(2)."""

SPYING = """
import ctypes, os, sys
from sensors.worker import PR_SET_DUMPABLE, keep_memory_private
libc = ctypes.CDLL(None, use_errno=True)
os.setgroups([])
os.setresgid(NOBODY, NOBODY, NOBODY)
os.setresuid(NOBODY, NOBODY, NOBODY)

def looked(private):
    ready, told = os.pipe()
    hold, release = os.pipe()
    victim = os.fork()
    if not victim:
        os.close(release)
        libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
        if private:
            keep_memory_private()
        os.write(told, b"x")
        os.read(hold, 1)
        os._exit(0)
    os.read(ready, 1)
    found = []
    try:
        os.close(os.open(f"/proc/{victim}/mem", os.O_RDONLY))
        found.append("memory")
    except PermissionError:
        pass
    if libc.ptrace(0x4206, victim, 0, 0) == 0:  # PTRACE_SEIZE
        found.append("debugger")
    os.close(release)
    os.waitpid(victim, 0)
    return found

print(looked(False), looked(True), sep="|")
"""


def printed(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=RUN_S_MAX,
    )
    assert done.stdout, done.stderr
    return done.stdout.strip()


def test_a_worker_that_has_started_cannot_be_dumped() -> None:
    assert printed(STARTED) == "0 0 0"


def test_another_process_of_the_same_user_sees_nothing() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may become another user, and root sees everything")
    before, after = printed(SPYING.replace("NOBODY", str(NOBODY))).split("|")
    if before != "['memory', 'debugger']":
        pytest.skip(f"here no process may look into another of its user anyway: {before}")
    assert after == "[]"
