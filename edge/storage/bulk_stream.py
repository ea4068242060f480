"""The stream bulk inside the writer: its events reach their own file after the main file's commit,
and whatever hole that leaves is declared.

Called by the writer's thread only. The rule: a gap record is committed to crit first, then rows are
deleted; what a power cut leaves undone of that is done at the next start. Numbers that are neither
in the file nor declared are the last ones given, so nothing has to be noted down about them.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlcipher3 import dbapi2 as sqlcipher

from edge.errors import InputError
from edge.records import Moment, Stream
from edge.storage import bulk, outbox, spans
from edge.storage.bulk import BulkFile
from edge.storage.connections import FULL, PAGE_BYTES, code, reserve
from edge.storage.outbox import Reason, Written
from edge.storage.segments import Sealing
from edge.storage.vault import Vault

log = logging.getLogger(__name__)

NEARLY_FULL = 0.9
"""From here on the oldest are given up before it is too late; the log needs some room as well."""
EVICTED_PART = 0.05
"""Of the quota, at a time: few gap records."""
TRIES_MAX = 8
"""To store one commit's rows, giving up old ones each time."""
SKIPPED_MAX = 256
"""Commits that do not even try after failures: each try that fails costs a gap record in crit."""
DELETED_LATE_MAX = 8000
"""Acknowledged rows may stay so long: deleting them is a commit of its own during a drain."""


class BulkStream:
    """Stores bulk events and accounts for each of them."""

    def __init__(
        self, main: Any, directory: Path, vault: Vault, sealing: Sealing | None, bytes_max: int
    ) -> None:
        self._main = main
        self._directory = directory
        self.sealing = sealing
        self._open = partial(BulkFile, directory / bulk.NAME, vault, sealing, bytes_max)
        self._file: BulkFile | None = None
        self._trouble: Reason | None = Reason.POWER_CUT
        """Why the last numbers may be missing in the file; None when they are accounted for."""
        self._ready = False
        """Whether the commit under way accounts for them."""
        self._told: Reason | None = None
        self._unread = ""
        """What reading failed of last: each kind is told once."""
        self._failures = self._to_skip = 0
        self._deleted_upto = 0

    def start(self) -> list[Written]:
        """Open the file, declare what is missing in it, finish what was begun; the gap records.

        A file that cannot be used now is tried again with each commit.
        """
        if not (self._directory / bulk.NAME).exists():
            self._trouble = Reason.DAMAGED
        try:
            with self._own_commit():
                declared = self._account(_last(self._main), outbox.latest_moment(self._main))
            if self._ready:
                self._trouble = None
                self._delete(outbox.floor(self._main, Stream.BULK))
        except sqlcipher.Error as error:
            self._say(Reason.UNWRITABLE, error)
            return []
        return declared

    def finish(self) -> list[Written]:
        """Declare what is not accounted for while its reason is known; the gap records."""
        declared: list[Written] = []
        if self._trouble is not None:
            try:
                with self._own_commit():
                    moment = outbox.latest_moment(self._main)
                    declared = self._account(_last(self._main), moment)
            except sqlcipher.Error as error:
                self._say(Reason.UNWRITABLE, error)  # the next start declares it
                return []
        return declared

    @property
    def reading(self) -> Any:
        """The loop's connection; None while there is no file."""
        file = self._file
        return file.reading if file is not None else None

    @property
    def writing(self) -> Any:
        """The writer's connection; None while there is no file."""
        return self._file.writing if self._file is not None else None

    # --- around a commit of the main file

    def prepare(self, rows: Sequence[Written]) -> list[Written]:
        """Before the commit that gives `rows` their numbers: declare losses, and what is given up

        to make room. The gap records. Whatever fails here costs nothing but bulk, unless SQLite
        gave up the whole transaction: then it rises.
        """
        self._ready = False
        self._main.execute("SAVEPOINT losses")
        try:
            declared = self._prepared(rows)
        except Exception as error:  # a border: orders may share the commit
            self._ready = False
            if not self._main.in_transaction:
                raise
            self._main.execute("ROLLBACK TO losses")
            self._trouble = self._trouble or Reason.UNWRITABLE
            self._say(self._trouble, error)
            declared = []
        self._main.execute("RELEASE losses")
        return declared

    def _prepared(self, rows: Sequence[Written]) -> list[Written]:
        declared: list[Written] = []
        moment = rows[-1].moment
        with reserve(self._main):
            if self._to_skip:
                self._to_skip -= 1
            elif self._trouble is not None:
                declared = self._account(rows[0].seq - 1, moment)
            elif self._file is not None:
                self._ready = True
            if self._ready and self._nearly_full():
                declared += self._give_up(self._room(rows), moment)
        return declared

    def store(self, rows: Sequence[Written], epoch: str) -> list[Written]:
        """After that commit: write `rows`; the gap records of what else had to be given up."""
        if not self._ready:
            return []  # declared as soon as the file can be written
        self._trouble = None
        declared: list[Written] = []
        seal = True
        for _ in range(TRIES_MAX):
            try:
                self._put(rows, epoch, seal=seal)
            except Exception as error:  # a border: the commit stands, whatever the codec does
                if seal and not isinstance(error, sqlcipher.Error | OSError):
                    log.error("Events cannot be sealed and stay as they are: %r", error)
                    seal = False
                    continue
                more = self._overcome(error, rows)
                if more is None:
                    break
                declared += more
            else:
                self._told, self._failures = None, 0
                return declared
        self._trouble = self._trouble or Reason.UNWRITABLE
        if self._trouble is not Reason.QUOTA:  # smaller changes may fit
            self._failures += 1
            self._to_skip = min(2**self._failures, SKIPPED_MAX)
        return declared

    def _put(self, rows: Sequence[Written], epoch: str, *, seal: bool) -> None:
        assert self._file is not None
        floor = outbox.floor(self._main, Stream.BULK)
        with self._file.transaction():
            if floor > self._deleted_upto:
                self._file.delete_upto(floor)
            self._file.put(rows, epoch, seal=seal)
        self._deleted_upto = floor

    def _overcome(self, error: Exception, rows: Sequence[Written]) -> list[Written] | None:
        """Make it possible to try again: the gap records of that, or None if it is not."""
        assert self._file is not None
        before, moment = rows[0].seq - 1, rows[-1].moment
        try:
            if bulk.is_damage(error):
                return self._begin_anew(error, before, moment)
            if code(error) != FULL or not self._file.at_quota(rows):
                self._trouble = Reason.UNWRITABLE
            else:
                with self._own_commit():
                    declared = self._give_up(self._room(rows), moment)
                if declared:
                    return declared
                self._trouble = Reason.QUOTA  # these rows alone are more than the quota
        except (sqlcipher.Error, OSError) as second:
            self._trouble = self._trouble or Reason.UNWRITABLE
            error = second
        self._say(self._trouble, error)
        return None

    def acknowledged(self) -> None:
        """Delete what the platform has, unless it is little: then with the next rows."""
        if self._trouble is not None or self._file is None:
            return
        floor = outbox.floor(self._main, Stream.BULK)
        late = floor - self._deleted_upto
        if late <= 0 or (late < DELETED_LATE_MAX and floor < _last(self._main)):
            return
        try:
            self._delete(floor)
        except sqlcipher.Error as error:  # nobody reads it any more; the next rows try again
            self._say(Reason.UNWRITABLE, error)

    def mend(self, error: Exception) -> list[Written]:
        """Somebody could not read the file: begin a new one if it is damaged, else only read anew.

        The gap records.
        """
        if self._trouble is not None or self._file is None:
            return []  # it is known already
        try:
            if not (bulk.is_damage(error) or isinstance(error, InputError)):
                if self._unread != str(error):
                    self._unread = str(error)
                    log.warning("The bulk file could not be read (%s); it is opened anew.", error)
                self._file.read_anew()
                return []
            moment = outbox.latest_moment(self._main)
            return self._begin_anew(error, _last(self._main), moment)
        except (sqlcipher.Error, OSError) as second:
            self._say(Reason.UNWRITABLE, second)
            return []

    def close(self) -> None:
        """Close the file; the loop does not read it any more."""
        if self._file is not None:
            self._file.reading.close()
            self._file.close()

    # --- accounting

    def _account(self, upto: int, moment: Moment) -> list[Written]:
        """Inside a transaction: declare what is missing up to number `upto`.

        `_ready` afterwards, if the file can be written again.
        """
        floor = outbox.floor(self._main, Stream.BULK)
        try:
            ahead, there = self._examined(floor)
            if upto < ahead and upto < _last(self._main):  # those numbers are given already
                self._put_aside(ValueError("it has events of another life of the main file"))
                ahead, there = self._examined(floor)
        except (sqlcipher.Error, OSError) as error:
            self._say(self._trouble or Reason.UNWRITABLE, error)
            return []
        if ahead > upto:  # the main file alone was restored from a backup: no number twice
            outbox.raise_last(self._main, Stream.BULK, ahead)
        known = outbox.holes(self._main, Stream.BULK)
        self._ready = True
        return [
            self._declare(first, last, self._reason(last == upto), moment)
            for first, last in spans.missing([*there, *known], after=floor, upto=upto)
        ]

    def _examined(self, floor: int) -> tuple[int, list[tuple[int, int]]]:
        """Open the file if need be and write to it: its last number, and what is above `floor`."""
        for _ in range(2):
            try:
                if self._file is None:
                    self._file = self._open()
                self._file.probe()
                return self._file.last(), list(self._file.spans(floor))
            except sqlcipher.Error as error:
                if not bulk.is_damage(error):
                    raise
                self._put_aside(error)
        raise OSError("a new bulk file is damaged at once")

    def _begin_anew(self, error: Exception, upto: int, moment: Moment) -> list[Written]:
        """A damaged file is put aside, what waited in it is declared; the gap records."""
        self._put_aside(error)
        with self._own_commit():
            declared = self._account(upto, moment)
        if not self._ready:
            raise OSError("a new bulk file cannot be written")
        self._trouble = None
        return declared

    def _put_aside(self, error: Exception) -> None:
        if self._file is not None:
            self._file.close()  # the loop may be reading: its connection ends with the last look
        self._file, self._trouble, self._ready, self._deleted_upto = None, Reason.DAMAGED, False, 0
        aside = bulk.put_aside(self._directory)
        log.error(
            "The bulk file is damaged (%s); it is %s now, and a new one begins.", error, aside
        )

    def _reason(self, newest: bool) -> Reason:
        """Why numbers are missing; in the midst of a file there is no innocent reason."""
        return self._trouble if newest and self._trouble is not None else Reason.DAMAGED

    def _declare(self, first: int, last: int, reason: Reason, moment: Moment) -> Written:
        span = (first, last)
        return outbox.declare(self._main, Stream.BULK, span=span, reason=reason, moment=moment)

    def _give_up(self, bytes_min: int, moment: Moment) -> list[Written]:
        """Inside a transaction: declare that the oldest go; they are deleted after it."""
        assert self._file is not None
        floor = outbox.floor(self._main, Stream.BULK)
        try:
            span = self._file.oldest(bytes_min, floor)
        except sqlcipher.Error:  # storing will tell it
            return []
        return [self._declare(*span, Reason.QUOTA, moment)] if span else []

    def _nearly_full(self) -> bool:
        try:
            return self._file is not None and self._file.used() > NEARLY_FULL
        except sqlcipher.Error:  # storing will tell it
            return False

    def _room(self, rows: Sequence[Written]) -> int:
        """How many bytes to free for `rows`, and for some time."""
        assert self._file is not None
        part = round(self._file.pages_max * PAGE_BYTES * EVICTED_PART)
        return max(part, 2 * bulk.size_of(rows))

    def _delete(self, floor: int) -> None:
        assert self._file is not None
        with self._file.transaction():
            self._file.delete_upto(floor)
        self._deleted_upto = floor

    @contextmanager
    def _own_commit(self) -> Iterator[None]:
        """A transaction of the main file for gap records alone, from the reserve if need be."""
        with reserve(self._main):
            self._main.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._main.execute("COMMIT")
            except BaseException:
                self._ready = False
                if self._main.in_transaction:
                    self._main.execute("ROLLBACK")
                raise

    def _say(self, reason: Reason | None, error: Exception) -> None:
        """Once for each kind of trouble."""
        if self._told is not reason:
            self._told = reason
            log.error("Bulk events cannot be stored (%s); they are declared as lost.", error)


def _last(main: Any) -> int:
    return outbox.cursors(main)[Stream.BULK][0]
