"""What a daemon without a complaint answers to `status`, for the tests of what is made of it."""

import msgspec

from edge.operation.facts import BoxStatus, ClockState, LinkState, StreamDepth
from edge.records import Moment, SensorStatus, Stream

NOW = Moment(1_700_000_000_000, 5_000, "boot", True)
WELL = SensorStatus("scanner", "code", "/dev/ttyACM0", "listening", ok=True)
QUIET = tuple(StreamDepth(stream, 9, 9, 0) for stream in Stream)


def well(kiosk_port: int = 8480, **changes: object) -> BoxStatus:
    """All is well but for the `changes`."""
    status = BoxStatus(
        version="1.0",
        box="shop/s1/b1",
        uptime_s=60,
        clock=ClockState("system", NOW.wall_ms, True),
        recognition="on_request",
        sensors=(WELL,),
        link=LinkState(True),
        outbox=QUIET,
        counters={},
        visits_open=0,
        members=0,
        datasets={},
        kiosk=f"http://127.0.0.1:{kiosk_port}/",
        memory_rss_bytes=1,
    )
    return msgspec.structs.replace(status, **changes)
