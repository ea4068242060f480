"""The key of the radars' numbers is changed again and again, so that no hash of an address can be
joined with one of another part of the day.

Run by the daemon as a task. It keeps nothing: the intake makes the key and hands it out.
"""

from edge.clock import Clock
from edge.intake import SALT_LIFETIME_S, Intake


async def rotate(intake: Intake, clock: Clock) -> None:
    """Until cancelled."""
    while True:
        await clock.wait(SALT_LIFETIME_S)
        await intake.rotate_salt()
