"""Pictures of the air in the intake: while somebody asks, only the newest, only for seconds."""

import pytest

from edge.clock import SystemClock
from edge.errors import Refused
from edge.intake import Intake
from edge.sensor_spec import SensorSpec
from edge.showing import SURVEY_S
from sensors import wire
from sensors.radar.survey import BINS, Survey
from tests.unit.test_intake import Peer
from tests.waiting import until


def picture(number: int) -> Survey:
    return Survey(number, float(number), -65, (), (), (0,) * BINS)


def spec(name: str, device: str) -> SensorSpec:
    return SensorSpec(name, "wifi", device, {})


async def shown(intake: Intake, wanted: Survey | None) -> None:
    async def shows() -> bool:
        return await intake.survey("radar") == wanted

    await until(shows, f"it shows {wanted}")


async def test_the_newest_picture_is_handed_out_while_somebody_asks() -> None:
    intake = Intake(SystemClock(), [spec("radar", "wlan1")])
    peer = Peer(intake, "radar")
    await peer.told()
    await peer.send(wire.Hello("wifi", 1), wire.Surveyed(picture(1)), wire.Health(True, "first"))
    await until(lambda: intake.status("radar").state == "first", "all of it was read")
    assert await intake.survey("radar") is None, "nobody had asked for that one"
    assert await peer.told() == [wire.Leave("survey", SURVEY_S)]
    await peer.send(wire.Surveyed(picture(2)), wire.Surveyed(picture(3)))
    await shown(intake, picture(3))
    await peer.close()


async def test_a_picture_is_forgotten_soon() -> None:
    intake = Intake(SystemClock(), [spec("radar", "wlan1")], survey_s=0.3)
    peer = Peer(intake, "radar")
    await peer.told()
    assert await intake.survey("radar") is None
    await peer.send(wire.Hello("wifi", 1), wire.Surveyed(picture(1)))
    await shown(intake, picture(1))
    await shown(intake, None)
    await peer.close()


async def test_a_radar_that_cannot_be_asked_here() -> None:
    intake = Intake(SystemClock(), [spec("radar", "wlan1"), spec("far", "satellite:box/radar")])
    with pytest.raises(Refused, match="does not run"):
        await intake.survey("radar")
    for name in ("far", "nobody"):
        with pytest.raises(Refused, match="runs no sensor") as refused:
            await intake.survey(name)
        assert "plugged into" in refused.value.remedy


async def test_a_picture_beyond_the_limits_ends_the_connection() -> None:
    intake = Intake(SystemClock(), [spec("radar", "wlan1")])
    peer = Peer(intake, "radar")
    await peer.told()
    await peer.send(wire.Surveyed(Survey(1, 1.0, None, (), (), (0,) * (BINS + 1))))
    assert isinstance(await peer.ended(), Exception)
