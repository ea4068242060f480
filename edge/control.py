"""The control socket: how a technician's command line speaks to the running daemon.

A unix socket, one JSON object a line each way: `{"ask": NAME, "with": {...}}` is answered by
`{"answer": ...}` or `{"error": ..., "remedy": ...}`. The daemon holds a `ControlServer` with its
questions, which `question` makes; commands call `ask`. It knows no question itself, and serves only
root and its own user.
"""

import asyncio
import contextlib
import errno
import fcntl
import inspect
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from edge.errors import AlreadyRunning, ConfigError, NotReachable, Refused, StoreboxError

QUESTION_BYTES_MAX = 64 * 1024
ANSWER_BYTES_MAX = 4 << 20
"""A list of everything the box holds open is far smaller; a longer answer is somebody's mistake."""
CONNECTIONS_MAX = 8
"""A few technicians and a script; each costs a file descriptor of the daemon."""
IDLE_S = 15.0
"""A connection that asks nothing for so long is closed."""
ANSWER_S = 10.0
ASK_TIMEOUT_S = 12.0
"""The client waits a little longer than the daemon allows itself."""
SOCKET_PATH_BYTES_MAX = 107
"""sockaddr_un on Linux, unix(7)."""

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: struct ucred, unix(7)
_asker: ContextVar[int] = ContextVar("asker")
_log = logging.getLogger(__name__)

Question = Callable[[dict[str, Any]], Awaitable[Any]]
"""Gets the `with` object as plain values, gives anything msgspec can write as JSON."""
T = TypeVar("T", bound=Struct)


def asker_uid() -> int:
    """The user who asks the question that is being answered, as the kernel says. For audits."""
    return _asker.get()


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of a question that has none."""


def question(arguments: type[T], answer: Callable[[T], Any]) -> Question:
    """A question whose `with` must be `arguments`: anything else is Refused.

    `answer` runs on the loop; it answers from memory and reads, or may be awaited. The refusal
    says which argument is wrong and repeats no value: it could be most of an address.
    """

    async def asked(given: dict[str, Any]) -> Any:
        try:
            converted = msgspec.convert(given, arguments)
        except msgspec.ValidationError as error:
            raise Refused(
                f"The question's arguments are wrong: {error}.",
                "Use the storebox command of the daemon's version.",
            ) from error
        answered = answer(converted)
        return await answered if inspect.isawaitable(answered) else answered

    return asked


class _Asked(Struct):
    ask: str
    arguments: dict[str, Any] = msgspec.field(name="with", default_factory=dict)


class _Answered(Struct):
    answer: Any = None
    error: str | None = None
    remedy: str = ""


_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What hostile JSON does to the decoder: malformed, no UTF-8, nested without end."""
_decode_question = msgspec.json.Decoder(_Asked).decode
_decode_answer = msgspec.json.Decoder(_Answered).decode


class ControlServer:
    """Serves `questions` on the socket at `path`, until `close`.

    A question gets the `with` object and returns anything msgspec can write as JSON. What it
    raises of our error tree goes to the asker as `error` and `remedy`.
    """

    def __init__(self, path: Path, questions: Mapping[str, Question]) -> None:
        self._path = path
        self._questions = questions
        self._lock: int | None = None
        self._server: asyncio.Server | None = None
        self._closing = False
        self._visitors: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. AlreadyRunning if another daemon does; ConfigError if the path is of no use."""
        try:
            self._lock = _locked(self._path)
            listening = _bound(self._path)
        except OSError as error:
            self._unlock()
            raise ConfigError(
                f"The control socket {self._path} cannot be made: {error.strerror or error}.",
                "Let [state] control_socket name a place that this user may write to.",
            ) from error
        except StoreboxError:
            self._unlock()
            raise
        self._server = await asyncio.start_unix_server(
            self._serve, sock=listening, limit=QUESTION_BYTES_MAX
        )

    async def close(self) -> None:
        """Hang up on everybody and remove the socket."""
        if self._server is None:
            return
        self._closing = True
        server, self._server = self._server, None
        server.close()
        for visitor in self._visitors:
            visitor.cancel()
        await asyncio.gather(*self._visitors, return_exceptions=True)
        await server.wait_closed()
        self._path.unlink(missing_ok=True)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- one connection

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closing:  # it was accepted while `close` was at work
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None, "asyncio serves each connection in a task"
        self._visitors.add(task)
        try:
            refusal = self._refusal(writer)
            if refusal is not None:
                await _send(writer, refusal)
            else:
                await self._converse(reader, writer)
        except (ConnectionError, TimeoutError) as error:
            _log.debug("a control connection ended: %r", error)
        finally:
            self._visitors.discard(task)
            writer.close()

    def _refusal(self, writer: asyncio.StreamWriter) -> StoreboxError | None:
        uid = _peer_uid(writer.get_extra_info("socket"))
        _asker.set(uid)  # each connection is a task, with a context of its own
        if uid not in (0, os.geteuid()):
            return Refused(
                "Only root and the user that runs storebox may ask it.", "Try it with sudo."
            )
        if len(self._visitors) > CONNECTIONS_MAX:
            return Refused("Too many commands ask the daemon at once.", "Try again in a moment.")
        return None

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    line = await reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return
            except asyncio.LimitOverrunError:
                too_long = f"A question is longer than {QUESTION_BYTES_MAX} bytes."
                await _send(writer, Refused(too_long, "Ask for less."))
                return
            await _send(writer, await self._answered(line))

    async def _answered(self, line: bytes) -> Any:
        """The answer, or the error to send instead of one."""
        try:
            asked = _decode_question(line)
        except _UNREADABLE as error:
            return Refused(f"This is no question: {error}.", 'Send {"ask": NAME, "with": {}}.')
        question = self._questions.get(asked.ask)
        if question is None:
            known = ", ".join(sorted(self._questions))
            return Refused(f"The daemon knows no question '{asked.ask}'.", f"It knows: {known}.")
        try:
            async with asyncio.timeout(ANSWER_S):
                return await question(asked.arguments)
        except StoreboxError as error:
            return error
        except TimeoutError:
            return Refused(f"'{asked.ask}' took longer than {ANSWER_S:.0f} s.", "Try again.")
        except Exception:  # a task's border: one question must not end the daemon
            _log.exception("the question %s failed", asked.ask)
            return Refused(f"'{asked.ask}' failed inside the daemon.", "Its log says why.")


async def _send(writer: asyncio.StreamWriter, outcome: Any) -> None:
    if isinstance(outcome, StoreboxError):
        body = {"error": outcome.what, "remedy": outcome.remedy}
    else:
        body = {"answer": outcome}
    line = msgspec.json.encode(body)
    if len(line) >= ANSWER_BYTES_MAX:
        line = msgspec.json.encode({"error": "The answer is too long.", "remedy": "Ask for less."})
    writer.write(line + b"\n")
    async with asyncio.timeout(IDLE_S):
        await writer.drain()


def _peer_uid(connection: socket.socket) -> int:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])


def _locked(path: Path) -> int:
    """A lock beside the socket, held for life: whoever has it knows that a socket left is stale."""
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX:
        raise OSError(errno.ENAMETOOLONG, f"a path of at most {SOCKET_PATH_BYTES_MAX} bytes works")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise AlreadyRunning(
            f"Another storebox is already running on {path}.",
            "Stop it first (systemctl stop storebox), or name another [state] control_socket.",
        ) from error
    return lock


def _bound(path: Path) -> socket.socket:
    if path.is_socket():
        path.unlink()  # the lock is ours, so nobody listens on it
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        path.chmod(0o600)  # nobody can connect before listen(), so there is no gap
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


# --- the asking side


def ask(path: Path, name: str, **with_: Any) -> Any:
    """Ask the daemon on `path` one question; its answer as plain JSON values. Blocks.

    NotReachable when it does not answer; Refused with its own words when it says no.
    """
    try:
        question = msgspec.json.encode({"ask": name, "with": with_}) + b"\n"
    except UnicodeEncodeError as error:  # bytes of a command line that are no text
        raise Refused("What was asked is no text.", "Type it in UTF-8.") from error
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ASK_TIMEOUT_S)
            connection.connect(str(path))
            with contextlib.suppress(BrokenPipeError):  # refused at the door: the reason waits
                connection.sendall(question)
            line = _line(connection)
        answered = _decode_answer(line)
    except (OSError, *_UNREADABLE) as error:
        raise _unreachable(path, error) from error
    if answered.error is not None:
        raise Refused(answered.error, answered.remedy)
    return answered.answer


def _line(connection: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        chunk = connection.recv(65536)
        if not chunk:
            raise ConnectionResetError("it hung up")
        received += chunk
        if len(received) > ANSWER_BYTES_MAX + 1:
            raise ConnectionResetError("its answer does not end")
    return bytes(received)


def _unreachable(path: Path, error: Exception) -> NotReachable:
    match error:
        case FileNotFoundError() | ConnectionRefusedError():
            return NotReachable(
                f"The daemon does not run: nobody listens on {path}.",
                "Start it: systemctl start storebox (or: storebox run).",
            )
        case PermissionError():
            return NotReachable(
                f"The control socket {path} may not be opened by this user.", "Try it with sudo."
            )
        case TimeoutError():
            return NotReachable(
                f"The daemon does not answer on {path} within {ASK_TIMEOUT_S:.0f} s.",
                "Look at its log (journalctl -u storebox); restart it if it hangs.",
            )
    return NotReachable(
        f"The daemon on {path} does not answer as it should: {error}.",
        "Look at its log (journalctl -u storebox).",
    )
