"""What the face pipeline costs: against the loop of face_recognition's documentation, and at work.

The same pictures go through both in one run: a clip of people always in view, and the same with
nobody in nine of ten pictures (its blurred background with a sensor's noise). CPU time counts, as
the machine may be shared; decoding the busy clip is in ours and not in theirs. Then four workers
each play a stream of 1280x720: what a second of it costs, at 25 pictures a second on two cores.
"""

import os
import re
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

import cv2
import numpy as np

from edge.face_models import DLIB, REID0095
from edge.records import Moment
from hardware.camera import Frame, Picture
from hardware.faces.backends import load
from hardware.recorded_camera import Video
from sensors import wire
from sensors.core_link import CoreLink
from sensors.face.looking import EARLY
from sensors.face.options import FaceOptions
from sensors.face.watcher import Watcher
from tests.conftest import ROOT
from tests.drivers.rtsp import PYTHON
from tests.drivers.worker import Worker, configured

FRAMES_PER_S = 25
STEP_MS = 1000 // FRAMES_PER_S
BUSY_FRAMES = 200
NAIVE_FRAMES = 24
"""The loop looks at every picture alike; a sample, evenly spread, tells what one costs."""
OCCUPIED = 0.1
GOALS = {"busy": {REID0095: 30.0, DLIB: 8.0}, "10 % occupied": {REID0095: 120.0, DLIB: None}}
STREAMS, WARM_UP_S, STREAM_S = 4, 3.0, 20.0
PLAY_S_MAX = 300.0
CORES = 2
CORE_GOAL, RSS_GOAL_MIB = 0.6, 250.0
SIZE = (1280, 720)
PARTS = {"busy": 1.0, "10 % occupied": OCCUPIED}

Frames = Sequence[Picture]


def run() -> list[dict[str, Any]]:
    """Ratios to the naive loop for both backends, and the load of four streams."""
    recordings, models = _places()
    clip = recordings / "video" / "short_hamilton_clip.mp4"
    entries = []
    for occupancy, share in PARTS.items():
        frames = decoded(clip) if share == 1.0 else thinned(decoded(clip), share)
        naive_s = naive(frames, recordings / "video" / "enrol") / NAIVE_FRAMES
        for model in (REID0095, DLIB):
            shown = Video(clip) if share == 1.0 else Shown(frames)
            name, goal = f"{occupancy}: {model}", GOALS[occupancy][model]
            entries.append(_ratio(name, pipeline(shown, models, model), naive_s, goal))
    for model in (REID0095, DLIB):
        entries += streams(clip, models, model)
    return entries


def _places() -> tuple[Path, Path]:
    named = os.environ.get("STOREBOX_RECORDINGS")
    recordings = Path(named) if named else ROOT.parent / "shared" / "data"
    return recordings, recordings.parent / "models"


def _ratio(name: str, ours_s: float, naive_s: float, goal: float | None) -> dict[str, Any]:
    ratio = naive_s / ours_s
    return {
        "name": f"pictures per second of CPU, {name}",
        "value": round(1 / ours_s, 1),
        "unit": "1/s",
        "baseline": round(1 / naive_s, 2),
        "ratio": round(ratio, 1),
        "goal": goal,
        "met": None if goal is None else ratio >= goal,
    }


# --- pictures


def decoded(path: Path) -> list[Picture]:
    """The first pictures of a video."""
    video = cv2.VideoCapture(str(path))
    frames: list[Picture] = []
    while len(frames) < BUSY_FRAMES and (read := video.read())[0]:
        frames.append(np.asarray(read[1], np.uint8))
    video.release()
    return frames


def thinned(frames: Frames, share: float) -> list[Picture]:
    """As many visits as before, but nobody in between: the whole is `1 / share` times as long."""
    chance = np.random.default_rng(1)
    empty = cv2.GaussianBlur(frames[0], (0, 0), 25).astype(np.int16)
    noisy = [
        np.clip(empty + chance.integers(-6, 7, empty.shape, np.int16), 0, 255).astype(np.uint8)
        for _ in range(25)
    ]
    busy = frames[: round(len(frames) * 0.5)]
    idle = round(len(busy) * (1 / share - 1))
    return [*busy, *(noisy[n % len(noisy)] for n in range(idle))]


def sample(frames: Frames) -> Frames:
    """Some of them, evenly spread."""
    return [frames[n * len(frames) // NAIVE_FRAMES] for n in range(NAIVE_FRAMES)]


# --- the two ways


def naive(frames: Frames, enrolled: Path) -> float:
    """CPU seconds of the documented loop, for `NAIVE_FRAMES`: find, describe, compare."""
    import face_recognition

    known = [
        face_recognition.face_encodings(face_recognition.load_image_file(str(path)))[0]
        for path in sorted(enrolled.glob("*.png"))
    ]
    began_s = time.process_time()
    for frame in sample(frames):
        rgb = np.ascontiguousarray(frame[:, :, ::-1])
        places = face_recognition.face_locations(rgb)
        for encoding in face_recognition.face_encodings(rgb, places):
            face_recognition.compare_faces(known, encoding)
    return time.process_time() - began_s


class Shown:
    """A recorded camera that shows pictures from memory, as the clip does from its file."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._next = 0
        self.ended = False

    def skip(self, until_ms: float) -> None:
        while self._next * STEP_MS < until_ms:
            self._next += 1

    def read(self, _wait_s: float) -> Frame | None:
        self.ended = self._next >= len(self._frames)
        if self.ended:
            return None
        self._next += 1
        return Frame((self._next - 1) * STEP_MS, self._frames[self._next - 1])


def pipeline(shown: Video | Shown, models: Path, model: str) -> float:
    """CPU seconds a picture of the sensor's watcher with standing leave, at its rate of looks."""
    backend = load(models, model)
    with linked() as core:
        core.poll(0.1)
        watcher = Watcher(core, backend, FaceOptions())
        began_s, due_ms, last_ms = time.process_time(), 0.0, 0
        while not shown.ended:
            shown.skip(due_ms)
            frame = shown.read(0.0)
            if frame is not None:
                last_ms = frame.offset_ms
                watcher.look(frame.picture, Moment(last_ms, last_ms, "bench", True))
                due_ms = last_ms + watcher.pause_ms * EARLY
        return (time.process_time() - began_s) / (last_ms / STEP_MS + 1)


@contextmanager
def linked() -> Iterator[CoreLink]:
    """A core that gives leave and listens."""
    ours, theirs = socket.socketpair()

    def listen() -> None:
        while ours.recv(1 << 20):
            pass

    listening = threading.Thread(target=listen)
    with ours, theirs:
        ours.sendall(wire.encode(wire.Configure("bench", "live", {}, b"", "bench", 0)))
        ours.sendall(wire.encode(wire.Leave(wire.Action.EMBED, None)))
        listening.start()
        yield CoreLink(theirs, "face", 1)
        theirs.close()
        listening.join()


# --- four streams


def streams(clip: Path, models: Path, model: str) -> list[dict[str, Any]]:
    """The share of each core that four workers take, and their largest resident memory.

    They play on a timeline, as fast as they can: CPU time for each second of the streams does not
    depend on what else the machine does, and no picture is left out for want of time.
    """
    with tempfile.TemporaryDirectory(prefix="storebox-bench-") as directory, ExitStack() as stack:
        video, coded = enlarged(clip, Path(directory))
        options = {"models": str(models), "model": model}
        workers = []
        for _ in range(STREAMS):
            worker = Worker("face", configured(f"replay:{video}", options, 0))
            stack.callback(worker.end)
            worker.send(wire.Leave(wire.Action.EMBED, None))
            workers.append(worker)
        began = [reached(worker, WARM_UP_S) for worker in workers]
        ended = [reached(worker, WARM_UP_S + STREAM_S) for worker in workers]
        rss = max(peak_mib(worker.pid) for worker in workers)
        vectors = sum(o.kind == "face" for worker in workers for o in worker.observations)
    costs = [
        (after_s - before_s) / (after - before)
        for (before, before_s), (after, after_s) in zip(began, ended, strict=True)
    ]
    name = f"four streams of 1280x720, 25/s, {coded}, {model}"
    share = round(sum(costs) / CORES, 3)
    return [
        _limit(f"{name}: of each core ({vectors} faces described)", share, "share", CORE_GOAL),
        _limit(f"{name}: resident memory of the largest", round(rss, 1), "MiB", RSS_GOAL_MIB),
    ]


def reached(worker: Worker, stream_s: float) -> tuple[float, float]:
    """Where in its stream a worker is, once it is so far, and its CPU seconds until then."""
    worker.until(lambda: worker.watermarks and worker.watermarks[-1] >= stream_s * 1000, PLAY_S_MAX)
    return worker.watermarks[-1] / 1000, cpu_s(worker.pid)


def _limit(name: str, value: float, unit: str, goal: float) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "baseline": None, "ratio": None,
            "goal": goal, "met": value <= goal}  # fmt: skip


ENCODING = """
import gi
gi.require_version("Gst", "1.0")
from gi.repository import Gst
Gst.init(None)
line = Gst.parse_launch(
    "fdsrc fd=0 ! rawvideoparse format=bgr width={0} height={1} framerate={2}/1 ! videoconvert"
    " ! openh264enc bitrate=4000000 gop-size=50 ! h264parse ! mp4mux ! filesink location={3}"
)
line.set_state(Gst.State.PLAYING)
kinds = Gst.MessageType.EOS | Gst.MessageType.ERROR
message = line.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, kinds)
line.set_state(Gst.State.NULL)
raise SystemExit(message.type == Gst.MessageType.ERROR)
"""


def enlarged(clip: Path, directory: Path) -> tuple[Path, str]:
    """The clip in 1280x720, forth and back and long enough; how it is coded.

    H.264 where Debian's GStreamer has an encoder (OpenCV's wheel has none), else MPEG-4.
    """
    frames = [cv2.resize(frame, SIZE, interpolation=cv2.INTER_CUBIC) for frame in decoded(clip)]
    there_and_back = [*frames, *frames[::-1]]
    wanted = round((WARM_UP_S + STREAM_S + 2) * FRAMES_PER_S)
    shown = [there_and_back[number % len(there_and_back)] for number in range(wanted)]
    path = directory / "stream.mp4"
    program = ENCODING.format(*SIZE, FRAMES_PER_S, path)
    with (
        subprocess.Popen([PYTHON, "-c", program], stdin=subprocess.PIPE) as encoder,
        suppress(OSError),
    ):
        pipe = cast(IO[bytes], encoder.stdin)
        for picture in shown:
            pipe.write(picture.tobytes())
        pipe.close()
    if encoder.returncode == 0:
        return path, "H.264"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), FRAMES_PER_S, SIZE)
    for picture in shown:
        writer.write(picture)
    writer.release()
    return path, "MPEG-4"


TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """User and system time of all its threads, proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def peak_mib(pid: int) -> float:
    """VmHWM, proc(5)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024
