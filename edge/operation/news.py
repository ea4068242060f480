"""What the rest of the box does when the platform has sent a dataset, or told it to do something.

The daemon hands these to the replica and to the commands. They change memory alone: what is
written was written before they are called.
"""

from edge.presence.desk import PresenceDesk
from kiosk.session import Screens
from sync.commands import Action, EraseMember, Refresh, WithdrawConsent
from sync.messages import Dataset
from sync.replica import Replica

PEOPLE = (Dataset.MEMBERS, Dataset.TEMPLATES)
BEYOND = (Dataset.CARTS, Dataset.WISHES, Dataset.COLLECT)
"""What members have begun in other channels."""


def of_dataset(presence: PresenceDesk, screens: Screens, dataset: Dataset) -> None:
    """Its rows are what the platform says now."""
    if dataset in PEOPLE:
        presence.reload()
    elif dataset in BEYOND:
        screens.beyond_changed()


def of_command(presence: PresenceDesk, replica: Replica, action: Action) -> None:
    """It was carried out."""
    if isinstance(action, EraseMember | WithdrawConsent):
        presence.reload()
    elif isinstance(action, Refresh):
        replica.refresh(action.datasets or Dataset)
