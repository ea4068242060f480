"""How soon a new daemon is ready, and what the core and each sensor take in memory.

Starts the ordinary daemon with a radar, a camera and a scanner of the demo's scenario, warm page
cache (the first start is not counted), and reads /proc of its processes.
"""

import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from edge.control import ask
from sensors.scenario.story import START_MS, build

READY_GOAL_S = 3.0
CORE_GOAL_MIB = 120
STARTS = 5
WORKING_TIMEOUT_S = 60.0

CONFIGURATION = """\
[box]
tenant = "bench"
store = "MSK-017"
box = "box-1"
[state]
directory = "{here}/state"
control_socket = "{here}/control.sock"
[clock]
source = "scenario"
start_ms = {start_ms}
[recognition]
mode = "zone"
legal_basis = "benchmark with made-up people"
[broker]
port = 1
[kiosk]
port = 0
[sensors.radar]
kind = "wifi"
device = "simulated:{scenario}/radar.pcap"
[sensors.door]
kind = "face"
device = "simulated:{scenario}/door.json"
silence_s = 60
[sensors.scanner]
kind = "code"
device = "{scanner}"
"""


def run() -> list[dict[str, Any]]:
    """READY, the core's memory, and one entry per sensor."""
    with tempfile.TemporaryDirectory(prefix="storebox-bench-") as directory:
        here = Path(directory)
        build(here / "scenario")
        master, slave = pty.openpty()
        config = here / "storebox.toml"
        config.write_text(
            CONFIGURATION.format(
                here=here,
                scenario=here / "scenario",
                start_ms=START_MS,
                scanner=os.ttyname(slave),
            )
        )
        times_s = [_start(config, here, measure=False)[0] for _ in range(STARTS)][1:]
        _, memory_mib = _start(config, here, measure=True)
        os.close(master)
        os.close(slave)
    ready_s = median(times_s)
    entries = [_entry("new process to READY", ready_s, "s", READY_GOAL_S)]
    for name, mib in memory_mib.items():
        goal = CORE_GOAL_MIB if name == "core" else None
        entries.append(_entry(f"memory of {name}", mib, "MiB", goal))
    return entries


def _entry(name: str, value: float, unit: str, goal: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "baseline": None,
        "ratio": None,
        "goal": goal,
        "met": None if goal is None else value <= goal,
    }


def _start(config: Path, here: Path, *, measure: bool) -> tuple[float, dict[str, float]]:
    command = [sys.executable, "-m", "edge.cli.main", "run", "--config", str(config)]
    began_s = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as daemon:
        assert daemon.stdout is not None
        daemon.stdout.readline()
        ready_s = time.perf_counter() - began_s
        memory = _memory_mib(daemon.pid, here) if measure else {}
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()
    return ready_s, memory


def _memory_mib(core: int, here: Path) -> dict[str, float]:
    """Resident memory once camera and radar have worked through their morning."""
    deadline_s = time.monotonic() + WORKING_TIMEOUT_S
    while time.monotonic() < deadline_s:
        sensors = {s["name"]: s for s in ask(here / "control.sock", "sensors")}
        if sensors["radar"]["state"] == sensors["door"]["state"] == "finished":
            break
        time.sleep(0.2)
    figures = {"core": _rss_mib(core)}
    for pid in _children(core):
        kind = re.search(r"sensors\.worker\0(\w+)", Path(f"/proc/{pid}/cmdline").read_text())
        if kind:
            figures[f"sensor {kind.group(1)}"] = _rss_mib(pid)
    return figures


def _children(pid: int) -> list[int]:
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in lists for child in each.read_text().split()]


def _rss_mib(pid: int) -> float:
    """The peak, VmHWM of proc(5): what the box must have room for."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1)) / 1024
