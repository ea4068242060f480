"""What the platform's acknowledgement means for the outbox: delete, or not believe it.

Called by the link, for acknowledgements of the box's own epoch. It sends nothing.
"""

from edge.records import Stream
from edge.storage import outbox
from edge.storage.database import Database, Transaction
from sync.messages import Ack


def contradiction(database: Database, ack: Ack) -> str | None:
    """The name to count it by, if numbers of this epoch were given to other events before.

    So it is when the box was restored from a backup: the platform is ahead of what was ever
    produced, or its last event is not the one that stands here under that number.
    """
    cursors = database.cursors()
    if any(upto > cursors[stream][0] for stream, upto in ack.upto.items()):
        return "link.ack_beyond_produced"
    for stream, told in ack.marks.items():
        if database.mark(stream, ack.upto.get(stream, 0)) not in (None, told):
            return "link.ack_of_other_events"
    return None


def delete(tx: Transaction, uptos: dict[Stream, int]) -> dict[Stream, tuple[int, int]]:
    """Delete what the platform has; the cursors after it."""
    for stream, upto in uptos.items():
        tx.acknowledge(stream, upto)
    return outbox.cursors(tx)
