"""The control socket, over a real one: who may ask, what is refused, what is left behind."""

import asyncio
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from edge import control
from edge.control import ControlServer, ask
from edge.errors import AlreadyRunning, ConfigError, NotReachable, Refused, StorageFull

NOBODY = 65534


async def echo(given: dict) -> dict:
    return {"got": given}


async def full(given: dict) -> None:
    raise StorageFull("There is no room.", "Make some.")


async def broken(given: dict) -> None:
    raise ZeroDivisionError


async def long(given: dict) -> str:
    return "x" * control.ANSWER_BYTES_MAX


QUESTIONS = {"echo": echo, "full": full, "broken": broken, "long": long}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "control.sock"


@pytest.fixture
async def server(path: Path):
    server = ControlServer(path, QUESTIONS)
    await server.start()
    yield server
    await server.close()


async def asked(path: Path, name: str, **with_):
    return await asyncio.to_thread(ask, path, name, **with_)


async def raw(path: Path, *lines: bytes) -> list[dict]:
    """Send lines as they are; the answers until as many came as lines, or the other end hung up."""
    reader, writer = await asyncio.open_unix_connection(str(path), limit=8 << 20)
    answers = []
    try:
        writer.write(b"".join(lines))
        for _ in lines:
            line = await asyncio.wait_for(reader.readline(), 10)
            if not line:
                break
            answers.append(json.loads(line))
    finally:
        writer.close()
        await writer.wait_closed()
    return answers


async def test_a_question_is_answered(server, path):
    assert await asked(path, "echo", a=1, b="два") == {"got": {"a": 1, "b": "два"}}


async def test_socket_and_directory_are_private(server, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_what_a_question_raises_reaches_the_asker_in_its_words(server, path):
    with pytest.raises(Refused) as caught:
        await asked(path, "full")
    assert (caught.value.what, caught.value.remedy) == ("There is no room.", "Make some.")


async def test_a_fault_in_one_question_ends_neither_daemon_nor_connection(server, path):
    broken_one, good_one = await raw(path, b'{"ask":"broken"}\n', b'{"ask":"echo"}\n')
    assert broken_one["error"] == "'broken' failed inside the daemon."
    assert good_one == {"answer": {"got": {}}}


async def test_an_unknown_question_lists_the_known_ones(server, path):
    with pytest.raises(Refused, match="no question 'tea'") as caught:
        await asked(path, "tea")
    assert caught.value.remedy == "It knows: broken, echo, full, long."


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"\x00\xff\n",
        b"[]\n",
        b'{"ask": 3}\n',
        b'{"ask":"echo","with":[]}\n',
        b"{}\n",
        b'{"ask":"\xff"}\n',
        b'{"ask":"\\ud800"}\n',
        b'{"ask":"echo","with":{"a":"\xff"}}\n',
        b'{"ask":"echo","with":{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}}\n",
    ],
    ids=range(10),
)
async def test_garbage_is_refused_and_the_next_question_answered(server, path, garbage):
    refused, answered = await raw(path, garbage, b'{"ask":"echo"}\n')
    assert refused["error"].startswith("This is no question")
    assert refused["remedy"]
    assert answered == {"answer": {"got": {}}}


async def test_a_line_without_end_is_refused_and_hung_up_on(server, path):
    answers = await raw(path, b"x" * (control.QUESTION_BYTES_MAX + 1000), b'\n{"ask":"echo"}\n')
    assert len(answers) == 1
    assert "longer than" in answers[0]["error"]
    assert await asked(path, "echo") == {"got": {}}


async def test_half_a_question_and_gone(server, path):
    _, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b'{"ask":')
    writer.close()
    await writer.wait_closed()
    assert await asked(path, "echo") == {"got": {}}


async def test_an_answer_without_measure_is_refused(server, path):
    with pytest.raises(Refused, match="too long"):
        await asked(path, "long")


async def test_only_so_many_connections(server, path):
    held = [await asyncio.open_unix_connection(str(path)) for _ in range(control.CONNECTIONS_MAX)]
    for reader, writer in held:  # each is being served, not only waiting to be accepted
        writer.write(b'{"ask":"echo"}\n')
        await asyncio.wait_for(reader.readline(), 10)
    with pytest.raises(Refused, match="Too many"):
        await asked(path, "echo")
    _, first = held.pop()
    first.close()
    await first.wait_closed()
    async with asyncio.timeout(10):
        while True:
            try:
                assert await asked(path, "echo") == {"got": {}}
                break
            except Refused:
                await asyncio.sleep(0)  # the server has not noticed the hang-up yet
    for _, writer in held:
        writer.close()
        await writer.wait_closed()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
async def test_another_user_is_refused_by_the_kernels_word(server, path, tmp_path):
    for directory in (path.parent, *path.parents):
        if not directory.stat().st_mode & 0o001:
            if tmp_path.parents[1] not in (directory, *directory.parents):
                pytest.skip(f"{directory} keeps other users out already")
            directory.chmod(0o755)
    path.chmod(0o666)  # even then
    script = (
        "import socket,sys; s=socket.socket(socket.AF_UNIX); s.settimeout(10)\n"
        "s.connect(sys.argv[1]); print(s.recv(9999).decode())"
    )
    result = await asyncio.to_thread(
        subprocess.run,
        ["/usr/bin/env", "python3", "-I", "-c", script, str(path)],
        user=NOBODY,
        group=NOBODY,
        cwd="/",
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert "Only root" in answer["error"], "said at the door, before anything is asked"
    assert "answer" not in answer


async def test_a_second_daemon_is_told(server, path):
    second = ControlServer(path, QUESTIONS)
    with pytest.raises(AlreadyRunning, match="already running"):
        await second.start()
    await second.close()
    assert await asked(path, "echo") == {"got": {}}, "the first one is not disturbed"


async def test_the_socket_of_a_killed_daemon_is_replaced(path):
    path.parent.mkdir()
    script = (
        "import asyncio, os, sys\nfrom pathlib import Path\n"
        "from edge.control import ControlServer\n"
        "async def main():\n"
        "  await ControlServer(Path(sys.argv[1]), {}).start()\n"
        "  os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", script, str(path))
    assert await killed.wait() == -9
    assert path.is_socket(), "it left its socket behind"
    with pytest.raises(NotReachable):
        await asked(path, "echo")
    server = ControlServer(path, QUESTIONS)
    await server.start()
    assert await asked(path, "echo") == {"got": {}}
    await server.close()


async def test_a_file_in_the_way_is_left_alone(path):
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(ConfigError, match="cannot be made"):
        await ControlServer(path, QUESTIONS).start()
    assert path.read_text() == "precious"


async def test_a_path_too_long_for_a_socket(tmp_path):
    with pytest.raises(ConfigError, match="107 bytes"):
        await ControlServer(tmp_path / ("x" * 120), QUESTIONS).start()


async def test_close_removes_the_socket_and_frees_the_path(path):
    for _ in range(2):
        server = ControlServer(path, QUESTIONS)
        await server.start()
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b'{"ask":"echo"}\n')
        await asyncio.wait_for(reader.readline(), 10)
        await server.close()
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        await writer.wait_closed()
        assert not path.exists()


def test_nobody_there(tmp_path):
    with pytest.raises(NotReachable, match="does not run") as caught:
        ask(tmp_path / "control.sock", "status")
    assert "systemctl start storebox" in caught.value.remedy


async def test_a_question_that_is_no_text(server, path):
    with pytest.raises(Refused, match="no text"):
        await asked(path, "echo", a="\udcff")


@pytest.mark.parametrize(
    "word",
    [b"220 smtp\n", b'{"answer":"\xff"}\n', b'{"answer":' + b"[" * 30_000 + b"\n"],
    ids=range(3),
)
async def test_somebody_else_there(path, word):
    """A peer that speaks something else is not taken for the daemon."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(word)
        writer.close()

    path.parent.mkdir()
    async with await asyncio.start_unix_server(speak, str(path)):
        with pytest.raises(NotReachable, match="does not answer as it should"):
            await asked(path, "status")


async def test_a_daemon_that_hangs_up(path):
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    path.parent.mkdir()
    async with await asyncio.start_unix_server(hang_up, str(path)):
        with pytest.raises(NotReachable):
            await asked(path, "status")
