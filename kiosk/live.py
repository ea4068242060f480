"""Live pages: a bell that is rung when something changed, and the event stream that listens to it.

Used by the routes of screens and staff. Each connection gets the whole fragment at once and
again at each change; nothing is queued, so a slow browser only ever misses what is old.
Server-sent events after the WHATWG HTML standard, 9.2.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager

BEAT_S = 5.0
"""Between two signs of life; the page's watchdog waits 12 s."""
BEAT = "event: beat\ndata: 1\n\n"
"""A comment would keep the connection, but a page cannot see comments; this it can."""


class Bell:
    """Rings for whoever listens. Several rings before anyone looks are one."""

    def __init__(self) -> None:
        self._listening: set[asyncio.Event] = set()

    def ring(self) -> None:
        """Something changed."""
        for rung in self._listening:
            rung.set()

    @contextmanager
    def listen(self) -> Iterator[asyncio.Event]:
        """An event that is set at each ring."""
        rung = asyncio.Event()
        self._listening.add(rung)
        try:
            yield rung
        finally:
            self._listening.discard(rung)


class LiveConnections:
    """The open streams: how many, and their end when the server stops."""

    def __init__(self, most: int, beat_s: float = BEAT_S) -> None:
        self._most = most
        self._beat_s = beat_s
        self._bells: set[Bell] = set()
        self._closing = False
        self.open = 0

    @property
    def full(self) -> bool:
        """Whether one more stream would be too many, or the server is stopping."""
        return self._closing or self.open >= self._most

    def close(self) -> None:
        """End every stream now; no new ones."""
        self._closing = True
        for bell in self._bells:
            bell.ring()

    async def stream(
        self, draw: Callable[[], str | None], bell: Bell, *, redraw_on_beat: bool = False
    ) -> AsyncGenerator[str, None]:
        """Events for one browser: what `draw` gives, until it gives None or the server stops.

        `redraw_on_beat` also sends what changed merely because time passed.
        """
        if self.full:
            return
        self.open += 1
        self._bells.add(bell)
        sent: str | None = None
        look = True
        try:
            with bell.listen() as rung:
                while not self._closing:
                    drawn = draw() if look else sent
                    if drawn is None:
                        return
                    yield BEAT if drawn == sent else _event(drawn)
                    sent = drawn
                    look = await _rung_within(rung, self._beat_s) or redraw_on_beat
        finally:
            self.open -= 1


async def _rung_within(rung: asyncio.Event, seconds: float) -> bool:
    """Whether it rang; it is silenced again."""
    try:
        async with asyncio.timeout(seconds):
            await rung.wait()
    except TimeoutError:
        return False
    rung.clear()
    return True


def _event(html: str) -> str:
    lines = "".join(f"data: {line}\n" for line in html.splitlines())
    return f"event: page\n{lines}\n"
