"""The rule that a test leaves no thread and no process behind is itself able to fail."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

THREE_TESTS = """
import subprocess, threading

def test_leaves_a_thread():
    threading.Thread(target=threading.Event().wait, args=(4,), name="forgotten").start()

def test_leaves_a_process(request):
    request.config.kept = subprocess.Popen(["sleep", "4"])

def test_leaves_nothing():
    subprocess.run(["true"], check=True)
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
"""


def test_what_is_left_behind_is_an_error(tmp_path):
    (tmp_path / "test_three.py").write_text(THREE_TESTS)
    ours = ["-p", "tests.conftest", "--rootdir", tmp_path, "-c", os.devnull, "-v"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *ours, tmp_path / "test_three.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "left behind: thread forgotten" in run.stdout
    assert "(sleep 4)" in run.stdout
    assert "3 passed, 2 errors" in run.stdout
