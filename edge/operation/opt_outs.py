"""The desk of people who asked not to be counted: the list in the database, and with every radar.

The daemon makes one and asks `begin` before the first sensor runs; the control socket's questions
(`questions`) change it. It is given marks of addresses, never an address: `storebox wifi opt-out`
makes them in its own process.
"""

from contextlib import closing
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from edge.clock import Clock
from edge.control import Nothing, Question, question
from edge.errors import Refused
from edge.intake import Intake
from edge.storage import erased, opted_out
from edge.storage.database import Database
from edge.storage.inspection import open_known
from edge.storage.outbox import Executes
from edge.storage.transaction import Transaction
from edge.storage.vault import Vault
from sensors import wire
from sensors.radar.marks import MARK_BYTES

Mark = Annotated[bytes, Meta(min_length=MARK_BYTES, max_length=MARK_BYTES)]


class OptOutList(Struct, frozen=True):
    """The answer to `opt_outs`: since when each of them counts, oldest first, and no more."""

    since_ms: tuple[int, ...]


class OptOutChange(Struct, frozen=True):
    """The answer to `opt_out.add` and `opt_out.remove`: whether anything changed, and how many."""

    changed: bool
    total: int


class OptOuts:
    """Each public method that changes something is one transaction, and tells the radars."""

    def __init__(self, database: Database, clock: Clock, intake: Intake) -> None:
        self._database = database
        self._clock = clock
        self._intake = intake

    async def begin(self) -> None:
        """Tell the intake who is not to be counted, before a radar is connected."""
        await self._tell()

    async def add(self, mark: bytes) -> OptOutChange:
        """Count this person no more. Refused if there is no room for them."""
        now = self._clock.now()

        def change(tx: Transaction) -> bool:
            if len(opted_out.marks(tx)) >= wire.OPT_OUTS_MAX:
                raise Refused(
                    f"More than {wire.OPT_OUTS_MAX} people have opted out.",
                    "Switch the radars off, or ask who fills the list.",
                )
            return opted_out.add(tx, mark, now.wall_ms)

        return await self._changed(await self._database.transact(change))

    async def remove(self, mark: bytes) -> OptOutChange:
        """Forget that this person opted out; no byte of it stays in the files."""

        def change(tx: Transaction) -> bool:
            removed = opted_out.remove(tx, mark)
            if removed:
                erased.set_deleted(tx)
            return removed

        return await self._changed(await self._database.transact(change))

    async def _changed(self, changed: bool) -> OptOutChange:
        if changed:
            await self._tell()
        return OptOutChange(changed, len(opted_out.dates_ms(self._database.reading)))

    async def _tell(self) -> None:
        marks = opted_out.marks(self._database.reading)
        await self._intake.leave_out(wire.OptOuts(self._database.vault.opt_out_key, marks))


def listed(connection: Executes) -> OptOutList:
    """How many there are and since when; from the daemon's database or a dead one's."""
    return OptOutList(tuple(opted_out.dates_ms(connection)))


def of_files(directory: Path) -> wire.OptOuts | None:
    """The list as it lies in the files of a dead daemon; None if a box never ran there."""
    if not (directory / "storebox.db").exists():
        return None
    vault = Vault.open(directory / "master.key")
    with closing(open_known(directory)) as connection:
        return wire.OptOuts(vault.opt_out_key, opted_out.marks(connection))


class _Marked(Struct, frozen=True, forbid_unknown_fields=True):
    mark: Mark


def questions(opt_outs: OptOuts, connection: Executes) -> dict[str, Question]:
    """`opt_outs`, `opt_out.add` and `opt_out.remove`, for the control socket."""
    return {
        "opt_outs": question(Nothing, lambda _: listed(connection)),
        "opt_out.add": question(_Marked, lambda asked: opt_outs.add(asked.mark)),
        "opt_out.remove": question(_Marked, lambda asked: opt_outs.remove(asked.mark)),
    }
