"""A small RTSP camera on a loopback port, for tests: MPEG transport stream in RTP over TCP.

Speaks just enough of RFC 2326 for FFmpeg: OPTIONS, DESCRIBE with basic login, SETUP interleaved,
PLAY, and RTP packets (RFC 2250) in the same connection. `freeze` stops sending and stays connected.
"""

import base64
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path

PACKETS_PER_RTP = 7
TS_PACKET_BYTES = 188
MPEG_TS = 33
_SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=t\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:t\r\n"


class RtspCamera:
    """Serves the transport stream in `path`, over and over, to one visitor after the other."""

    def __init__(self, path: Path, *, login: str = "") -> None:
        self._stream = path.read_bytes()
        self._login = base64.b64encode(login.encode()).decode()
        self._pace = threading.Event()
        self._frozen = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._visitor: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    def freeze(self) -> None:
        """Send nothing any more, but keep the connection."""
        self._frozen.set()

    def unplug(self) -> None:
        """Hang up and refuse everybody; returns when all has ended."""
        self._pace.set()
        self._frozen.set()
        for one in (self._visitor, self._listener):
            if one is not None:
                with suppress(OSError):  # it was closed already
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
        self._thread.join(5)

    def _serve(self) -> None:
        with suppress(OSError):  # until the listener is closed
            while True:
                self._visitor, _ = self._listener.accept()
                with suppress(OSError):  # until this visitor leaves
                    self._converse(self._visitor)

    def _converse(self, visitor: socket.socket) -> None:
        requests = visitor.makefile("rb")
        while line := requests.readline():
            headers = {}
            while header := requests.readline().strip():
                name, _, value = header.decode().partition(":")
                headers[name.lower()] = value.strip()
            method = line.split()[0].decode()
            if method == "DESCRIBE" and self._login not in headers.get("authorization", ""):
                more = 'WWW-Authenticate: Basic realm="t"\r\n'
                self._answer(visitor, headers, "401 Unauthorized", more)
                continue
            self._answer(visitor, headers, "200 OK", *_reply(method))
            if method == "PLAY":
                self._play(visitor)
                return

    def _answer(
        self, visitor: socket.socket, asked: dict, status: str, more: str = "", body: str = ""
    ) -> None:
        head = f"RTSP/1.0 {status}\r\nCSeq: {asked.get('cseq', 0)}\r\n{more}"
        visitor.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    def _play(self, visitor: socket.socket) -> None:
        sequence = 0
        while not self._frozen.is_set():
            step = TS_PACKET_BYTES * PACKETS_PER_RTP
            for start in range(0, len(self._stream), step):
                if self._frozen.is_set():
                    break
                body = self._stream[start : start + step]
                rtp = (
                    struct.pack(">BBHII", 0x80, MPEG_TS, sequence & 0xFFFF, sequence * 100, 7)
                    + body
                )
                visitor.sendall(struct.pack(">cBH", b"$", 0, len(rtp)) + rtp)
                sequence += 1
                self._pace.wait(0.002)
        while not self._pace.is_set():
            self._pace.wait()


def _reply(method: str) -> tuple[str, str]:
    if method == "DESCRIBE":
        return "Content-Type: application/sdp\r\n", _SDP
    if method == "SETUP":
        return "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n", ""
    if method == "PLAY":
        return "Session: 1\r\n", ""
    return "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n", ""
