"""The face camera: people who come into view are counted, and with leave described by vectors.

Run by `sensors/worker.py`. `device` is what `hardware/camera.py` opens. Without the core's leave
to "embed" it finds, follows and counts faces and computes no template. Pictures, chips and vectors
live only in this process's memory and are overwritten after use; it knows no names and compares
nothing. `FACES.md` beside this package says how it is set up.
"""

from sensors.core_link import CoreLink
from sensors.declaration import Needs, Sensor
from sensors.face.options import FaceOptions

SENSOR = Sensor(
    kind="face",
    options=FaceOptions,
    needs=Needs(devices=("char-video4linux",), families=("AF_INET", "AF_INET6")),
)


def observe(core: CoreLink, device: str, options: FaceOptions) -> None:
    """Report people and, with leave, their faces until the core hangs up."""
    from sensors.face.looking import observe as look_on

    look_on(core, device, options)
