"""The checks of `storebox doctor` that the running daemon alone can answer: what of the line."""

from pathlib import Path

import pytest

from edge.errors import ConfigError, NotReachable
from edge.operation.checks import outbox_age, platform
from edge.operation.facts import BoxStatus, LinkState, StreamDepth
from edge.operation.finding import Context
from edge.records import Stream
from tests.unit.box_status import NOW, QUIET, well

HOUR_MS = 3_600_000


def told(daemon: BoxStatus | NotReachable) -> Context:
    """What `daemon` says, and nothing else."""
    return Context(Path("box.toml"), ConfigError("not looked at"), daemon, NOW)


def test_a_platform_that_owes_nothing_or_too_much():
    assert platform.check(told(well())).ok
    finding = platform.check(told(well(link=LinkState(True, silent=True))))
    assert finding.id == "platform"
    assert not finding.ok
    assert finding.made
    assert finding.cause.startswith("The broker is there, but the platform does not answer")
    assert finding.remedy


@pytest.mark.parametrize(
    "daemon",
    [
        NotReachable("The daemon does not run.", "Start it."),
        well(link=LinkState(False, "The cable is out.", "Plug it in.")),
    ],
    ids=["dead", "not connected"],
)
def test_what_a_platform_does_nobody_knows_without_a_line(daemon):
    finding = platform.check(told(daemon))
    assert not finding.ok
    assert not finding.made, "another finding says why"
    assert finding.remedy


def test_the_age_of_what_waits():
    def oldest(age_ms: int) -> BoxStatus:
        depth = StreamDepth(Stream.CRIT, 9, 7, 2, NOW.wall_ms - age_ms)
        return well(outbox=(depth, *QUIET[1:]))

    assert outbox_age.check(told(well())).ok
    assert outbox_age.check(told(oldest(HOUR_MS // 2))).ok
    finding = outbox_age.check(told(oldest(2 * HOUR_MS)))
    assert not finding.ok
    assert finding.cause.startswith("2 events wait for the platform, the oldest for 120 minutes")
    assert "'platform'" in finding.remedy
