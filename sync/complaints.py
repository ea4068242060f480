"""What the line has to complain about: each kind is counted always, and written to the log once.

Used by the link and the uplink. A broker that goes mad must fill neither the log nor the disk of a
box; the counters tell how often it happened. The time is passed in.
"""

import logging

from edge.counters import Counters

SAID_AGAIN_S = 3600.0
"""What goes on for so long is worth another line in the log."""
KINDS_MAX = 64
"""Kinds are named in our own code; a name made from input would be a memory leak."""


class Complaints:
    """Counts what is wrong by kind, and says each kind once an hour."""

    def __init__(self, log: logging.Logger, counters: Counters) -> None:
        self._log = log
        self._counters = counters
        self._said: dict[str, float] = {}

    def say(self, kind: str, text: object, now: float) -> None:
        """Count `kind`, and log `text` unless this kind was said within the hour."""
        self._counters.add(kind)
        if now - self._said.get(kind, float("-inf")) < SAID_AGAIN_S:
            return
        if kind in self._said or len(self._said) < KINDS_MAX:
            self._said[kind] = now
            self._log.warning("%s (%s)", text, kind)

    def forget(self, beginning: str) -> None:
        """It has become good again: say kinds that begin so anew when they return."""
        self._said = {k: at for k, at in self._said.items() if not k.startswith(beginning)}
