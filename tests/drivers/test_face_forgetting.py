"""What stays of a face in a process that described it: nothing, once it is told to forget.

The process runs as a sensor's does, in which freed memory is overwritten (`sensors/worker.py`); its
memory is searched from outside, for bytes that nobody in it holds but the libraries.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edge.face_models import DLIB, REID0095
from sensors.worker import OVERWRITING
from tests.conftest import ROOT

MASK = 0x5A
"""What is sought is told masked, or the search would find what it was told to look for."""
SEED = 11
DESCRIBING = f"""
import sys
from pathlib import Path
import numpy as np
from hardware.faces.backends import describer
print("ready", flush=True)
models = Path(sys.argv[1]) if sys.argv[1] else None
loaded = describer(models, sys.argv[2])
chip = np.random.default_rng({SEED}).integers(0, 256, (loaded.side, loaded.side, 3), np.uint8)

def masked(numbers):
    return bytes(byte ^ {MASK} for byte in numbers.view(np.uint8)[64:96]).hex()

raw = loaded._described(chip)  # as the network gives it
unit = loaded.embed(chip)
print(masked(raw), masked(unit), flush=True)
raw.fill(0)
unit.fill(0)
print("described", flush=True)
sys.stdin.readline()
loaded.forget()
print("forgotten", flush=True)
sys.stdin.readline()
"""


def count(process: int, sought: str) -> int:
    """How often the masked bytes stand in what a process may write. Maybe a PermissionError."""
    plain = bytes(byte ^ MASK for byte in bytes.fromhex(sought))
    found = 0
    with open(f"/proc/{process}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            span = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if span and "[v" not in line:
                begin, end = int(span[1], 16), int(span[2], 16)
                memory.seek(begin)
                found += memory.read(end - begin).count(plain)
    return found


@pytest.mark.parametrize("model", [DLIB, REID0095])
def test_a_model_that_is_told_to_forget_holds_nothing_of_the_last_face(model, request):
    models = "" if model == DLIB else str(request.getfixturevalue("models"))
    with subprocess.Popen(
        [sys.executable, "-c", DESCRIBING, models, model],
        cwd=ROOT,
        env={**os.environ, **OVERWRITING},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            assert process.stdout.readline() == "ready\n"
            raw, unit = process.stdout.readline().split()
            assert process.stdout.readline() == "described\n"
            held = count(process.pid, raw)
            assert count(process.pid, unit) == 0
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "forgotten\n"
            assert held > 0, f"the search finds what a network still holds (seed {SEED})"
            assert count(process.pid, raw) == count(process.pid, unit) == 0
        except PermissionError:
            pytest.skip("this machine lets no process read another's memory")
        finally:
            process.kill()
