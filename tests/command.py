"""The command `storebox` in a process of its own, without loading the program for each.

Called by tests of what a person types. One process for each run of the tests (`python -m
tests.command`) has the program loaded; it forks a new process for each command. That such a
process can also be started from nothing is shown by all the tests that start a daemon.
"""

import atexit
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COMMAND_S_MAX = 60
STREAMS = ("stdin", "stdout", "stderr")

_one_at_a_time = threading.Lock()


def storebox(
    *words: object, stdin: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`storebox WORDS`, at its end; `stdin` is no terminal. `environment` is added to ours."""
    arguments = ["storebox", *map(str, words)]
    with tempfile.TemporaryDirectory(prefix="storebox-command-") as name:
        folder = Path(name)
        (folder / STREAMS[0]).write_text(stdin)
        ours = os.environ | (environment or {})
        asked = {"arguments": arguments, "folder": name, "environment": ours}
        with _one_at_a_time:
            code = _answer(json.dumps(asked).encode() + b"\n")
        out, err = ((folder / stream).read_text() for stream in STREAMS[1:])
    return subprocess.CompletedProcess(arguments, code, out, err)


def _answer(asked: bytes) -> int:
    loaded = _loaded()
    assert loaded.stdin is not None
    assert loaded.stdout is not None
    loaded.stdin.write(asked)
    loaded.stdin.flush()
    ready, _, _ = select.select([loaded.stdout], [], [], COMMAND_S_MAX)
    line = loaded.stdout.readline() if ready else b""
    if not line:
        loaded.kill()
        _ended(loaded)
        _loaded.cache_clear()
        raise AssertionError(f"no end within {COMMAND_S_MAX} s: {asked.decode()}")
    return int(line)


@cache
def _loaded() -> subprocess.Popen[bytes]:
    """The process that has the program loaded; it ends with ours."""
    started = subprocess.Popen(
        [sys.executable, "-m", "tests.command"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    atexit.register(_ended, started)
    return started


def _ended(process: subprocess.Popen[bytes]) -> None:
    with process:
        pass  # its end of the line closes, and it is waited for


# --- inside that process


def main() -> None:
    """Answer each line with the exit code of the command that it asks for."""
    from edge.cli.main import main as command

    for line in sys.stdin.buffer:
        asked = json.loads(line)
        pid = os.fork()
        if not pid:
            os._exit(_ran(command, asked))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(code, flush=True)


def _ran(command: Any, asked: dict[str, Any]) -> int:
    """The exit code of a command, with its own streams, words and environment."""
    modes = (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT] * 2)
    for number, (stream, mode) in enumerate(zip(STREAMS, modes, strict=True)):
        os.dup2(os.open(Path(asked["folder"]) / stream, mode, 0o600), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the old one has read what is ours no more
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = asked["arguments"]
    try:
        return int(command())
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    main()
