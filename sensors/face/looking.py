"""The face sensor's loop: the newest picture, when it is due, to the watcher, and overwritten.

Called by `sensors.face.observe`. A live camera that goes comes back by itself and says how it is;
a recording is played with its own times. Pictures that nobody would look at are not decoded.
"""

import sys
import time
from pathlib import Path

from edge.errors import BadPicture
from hardware.faces.backends import load
from hardware.steady_camera import Condition, SteadyCamera, steady
from sensors.core_link import CoreLink
from sensors.face.options import FaceOptions
from sensors.face.watcher import Watcher
from sensors.wire import Action

LEAVE_GRACE_S = 1.0
"""On a timeline everything is due at once, but the core's first leave needs a moment to arrive."""
WAIT_S = 0.5
PASSES_MS = (1_100, 2_200)
"""After so long without a picture tracks are over, and then a queue is empty: it is told at its
time, not when the next picture of a recording comes, which may be hours later."""
EARLY = 0.9
"""A recorded picture that comes a little before it is due is taken: its times are rounded."""


def observe(core: CoreLink, device: str, options: FaceOptions) -> None:
    """Report people and, with leave, their faces until the core hangs up."""
    with steady(device, size=options.size) as camera:
        core.poll()
        backend = load(Path(options.models) if options.models else None, options.model)
        told(core, camera.condition)
        if core.on_timeline:
            await_leave(core)
        watcher = Watcher(core, backend, options)
        try:
            watch(core, camera, watcher)
        finally:
            watcher.wipe()
    core.finish()


def await_leave(core: CoreLink) -> None:
    """Do not look before the core had time to give leave, or the same recording would be
    described today and only counted tomorrow, as the machine happens to be busy.
    """
    deadline_s = time.monotonic() + LEAVE_GRACE_S
    while not core.may(Action.EMBED) and time.monotonic() < deadline_s:
        core.poll(0.02)


def watch(core: CoreLink, camera: SteadyCamera, watcher: Watcher) -> None:
    """Look at every picture that is due until a recording ends."""
    resume_ms = core.configuration.resume_after_ms or -1
    due_s, due_ms = time.monotonic(), 0.0
    seen, damaged, latest_ms = core.moment(0), False, 0
    while not camera.ended:
        core.poll(max(0.0, due_s - time.monotonic()) if camera.live else 0.0)
        due_s = time.monotonic() + watcher.pause_ms / 1000
        camera.skip(due_ms)
        try:
            frame = camera.read(WAIT_S)
        except BadPicture as error:
            core.dropped("picture_undecodable")
            if not damaged:  # once in a row: noise must not fill the journal
                print(f"face: {error}", file=sys.stderr, flush=True)
            damaged = True
            if camera.live:
                watcher.rest(core.moment(0))
            continue
        damaged = False
        for reason, count in camera.drops().items():
            core.dropped(reason, count)
        told(core, camera.condition)
        if frame is None:
            if camera.live:
                watcher.rest(core.moment(0))
            continue
        if not camera.live:
            pass_time(core, watcher, latest_ms, frame.offset_ms)
            latest_ms = frame.offset_ms
        seen = core.moment(0) if camera.live else core.reach(frame.offset_ms)
        if seen.wall_ms > resume_ms and (camera.live or frame.offset_ms >= due_ms):
            watcher.look(frame.picture, seen)
            due_ms = frame.offset_ms + watcher.pause_ms * EARLY
        frame.picture.fill(0)
        core.passed(seen)
    watcher.finish(seen)


def pass_time(core: CoreLink, watcher: Watcher, from_ms: int, to_ms: int) -> None:
    """Nothing was recorded between these times: who was in view has gone, and what was kept goes.

    Where the recording is played at its own pace, it goes before the pause and not after it.
    """
    for passed_ms in PASSES_MS:
        if from_ms + passed_ms < to_ms:
            watcher.rest(core.reach(from_ms + passed_ms))


def told(core: CoreLink, condition: Condition) -> None:
    """Say how the camera is."""
    if condition.ok:
        core.healthy(condition.state)
    else:
        core.unhealthy(condition.state, condition.remedy)
