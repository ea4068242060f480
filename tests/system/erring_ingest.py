"""Receivers that break the promise on purpose: the judge must notice."""

from sync.ingest import Ingest


class Losing(Ingest):
    """Commits everything but the first event."""

    def store(self, batch, events):
        super().store(batch, [event for event in events if event.seq != 1])


class Doubling(Ingest):
    """Stores each batch twice."""

    def store(self, batch, events):
        super().store(batch, events)
        super().store(batch, events)
