"""Radars listen and never send: a look at all code that a radar's process can run.

What the kernel sees of it is seen in `tests/drivers/test_wifi_sensor.py`: nothing comes out of a
TAP device that a radar hears.
"""

import ast

import pytest

from sensors.declaration import declared, kinds
from tests.conftest import ROOT

SENDING = {
    *("send", "sendall", "sendto", "sendmsg", "sendfile", "write", "writelines", "inject"),
    *("sendp", "sendpfast", "sr", "sr1", "srp", "srp1", "srloop", "L2socket", "L3socket"),
}
"""Of sockets, files, serial ports and scapy."""
MAY_SEND = {
    "sensors/core_link.py": "to the core: the socket of fd 3 and no other",
    "hardware/netlink.py": "to the kernel, which sets a radio's channel; no frame",
}
"""Who may, and to whom. Nothing in here ever sees a capture socket."""
OF_SCAPY = {"conf", "Scapy_Exception", "RadioTap"}
"""`conf.L2listen` is a socket for listening; RadioTap is compared with its link type."""


def radars() -> list[str]:
    return [kind for kind in kinds() if declared(kind).is_radar]


def tree_of(name: str) -> ast.Module:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> set[str]:
    """Files of ours that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = {f"{name.replace('.', '/')}.py" for name in names if name.startswith(OURS)}
    return {file for file in files if (ROOT / file).is_file()}


OURS = ("sensors", "hardware")


def run_by(kind: str) -> set[str]:
    """Every file of `sensors` and `hardware` that a sensor of `kind` may load."""
    files, waiting = set(), [f"sensors/{kind}.py"]
    while waiting:
        file = waiting.pop()
        if file not in files:
            files.add(file)
            waiting += imported(tree_of(file))
    return files


def sends(tree: ast.Module) -> list[str]:
    """Calls that would send something, with their lines; not those of `sys.stderr`."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    named = [
        (func.attr, func.lineno, ast.unparse(func.value))
        if isinstance(func, ast.Attribute)
        else (getattr(func, "id", ""), func.lineno, "")
        for func in calls
    ]
    return [
        f"{of}.{name} in line {line}"
        for name, line, of in named
        if name in SENDING and of not in ("sys.stderr", "sys.stdout")
    ]


def test_a_radar_runs_the_code_that_is_looked_at() -> None:
    assert "wifi" in radars()
    assert {"hardware/monitor.py", "sensors/radar/radar.py", "hardware/dot11.py"} <= run_by("wifi")


@pytest.mark.parametrize("kind", radars())
def test_nothing_that_a_radar_runs_sends(kind: str) -> None:
    for file in run_by(kind) - set(MAY_SEND):
        assert not sends(tree_of(file)), file


@pytest.mark.parametrize("kind", radars())
def test_of_scapy_only_listening_is_used(kind: str) -> None:
    used = {
        alias.name
        for file in run_by(kind)
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scapy")
        for alias in node.names
    }
    whole = [
        file
        for file in run_by(kind)
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.Import) and any(a.name.startswith("scapy") for a in node.names)
    ]
    assert used <= OF_SCAPY
    assert not whole


def test_the_look_sees_what_it_looks_for() -> None:
    for guilty in ("s.send(b'')", "a.b.sendto(b'', c)", "sendp(x)", "os.write(fd, b'')"):
        assert sends(ast.parse(guilty)), guilty
    assert not sends(ast.parse("sys.stderr.write('x'); s.recv(1)"))
