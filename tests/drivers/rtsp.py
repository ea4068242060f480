"""A network camera for tests: gst-rtsp-server on a loopback port, H.264 over RTSP, with a login.

`python3 tests/drivers/rtsp.py PORT` serves until it is ended; `GstCamera` starts it with the
Python that Debian's `gi` belongs to. A process of its own, so that it can be killed, stopped and
started again on the same port, as a camera's power is. It knows nothing of storebox.
"""

import argparse
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

HOST = "127.0.0.1"
LOGIN = ("door", "canary-hunter2")
SIZE = (320, 240)
FRAMES_PER_S = 10
PORTS = range(20_000, 32_000)
"""Below the kernel's ephemeral ports, so that nobody takes the port while it is off."""
PYTHON = "/usr/bin/python3"
STILL = "--still"
"""Shows one picture over and over, as JPEG, so that each is decoded to the same."""


class GstCamera:
    """The camera as a child process, plugged in from the start."""

    def __init__(self, *flags: str) -> None:
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.plug_in()

    @property
    def address(self) -> str:
        """With its login."""
        return f"rtsp://{':'.join(LOGIN)}@{HOST}:{self.port}/door"

    def plug_in(self) -> None:
        """Return when it listens."""
        command = [PYTHON, str(Path(__file__).resolve()), str(self.port), *self._flags]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert said == b"ready\n", "gst-rtsp-server does not start: run `make setup`"

    def kill(self) -> None:
        """As a power cut does. Twice is once."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        """Stay connected and do nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


def free_port() -> int:
    """One that nobody takes while it is not listened on."""
    for port in random.sample(PORTS, 20):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


# --- the process, under Debian's Python


def main() -> None:
    """Serve on the port named."""
    import gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtsp", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtsp, GstRtspServer

    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument(STILL, action="store_true")
    parser.add_argument("--size", default="x".join(map(str, SIZE)))
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(HOST)
    server.set_service(options.port)
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*LOGIN), token)
    server.set_auth(auth)
    factory = GstRtspServer.RTSPMediaFactory()
    pattern, coding = "circular", "jpegenc ! rtpjpegpay name=pay0"
    if not options.still:
        pattern = "smpte"  # with snow in a corner: no two pictures are the same
        coding = "openh264enc gop-size=10 ! h264parse ! rtph264pay name=pay0 config-interval=1"
    caps = f"video/x-raw,format=I420,width={width},height={height},framerate={FRAMES_PER_S}/1"
    factory.set_launch(f"( videotestsrc is-live=true pattern={pattern} ! {caps} ! {coding} )")
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)
    factory.set_shared(True)
    factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
    server.get_mount_points().add_factory("/door", factory)
    if not server.attach(None):
        sys.exit("the port is taken")
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
