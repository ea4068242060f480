"""The box's copy of what the platform knows: members, templates, goods, prices, and all the rest.

The link hands every message on `dn/d/...` here, and gives the connection (`attach`), on which
the replica asks for what it lacks. A snapshot's chunks are staged one by one, survive a restart,
and become visible in one transaction; a delta is one transaction, and afterwards the state hashes
of its buckets must be the platform's. What lacks consent, or cannot be used, is refused row by row,
and counted, whatever the platform sent.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from edge.clock import Clock
from edge.counters import Counters
from edge.errors import BadMessage, StorageError, SyncError
from edge.storage import datasets, staging
from edge.storage.database import Database
from sync.datasets import OWN, WANTED_MAX, Bucket, Chunk, Delta, Header, Manifest, Want
from sync.messages import Address, Dataset, DatasetVersion
from sync.replica import applying
from sync.replica.applying import Outcome
from sync.replica.asking import NOTHING, Asking, Plan
from sync.replica.judging import Judged
from sync.replica.stage import Stage
from sync.rows import Row, bucket_of, digest_of, parse, rows_of
from sync.signing import TrustedKeys

log = logging.getLogger(__name__)

PATIENCE_S = 20.0
"""What was asked for is asked for again when nothing has come for so long."""
BUCKET_PARTS_MAX = 16
"""Parts of one bucket, which wait in memory: 1.4 MB, a dataset of some 5 million rows."""


@dataclass(frozen=True, slots=True)
class ReplicaSettings:
    """Which box it is, whose signature datasets must bear (none: nobody's), its patience, and of
    which face model it takes templates (empty: of any)."""

    address: Address
    keys: TrustedKeys = field(default_factory=lambda: TrustedKeys({}))
    patience_s: float = PATIENCE_S
    face_model: str = ""


class Replica:
    """Receives datasets, and asks for what it lacks while it has a connection."""

    def __init__(
        self, database: Database, clock: Clock, counters: Counters, *, settings: ReplicaSettings
    ) -> None:
        self._database = database
        self._clock = clock
        self._counters = counters
        self._settings = settings
        self._asking = Asking(settings.patience_s)
        self._listeners: list[Callable[[Dataset], None]] = []
        self._plans = {name: Plan(manifest) for name, manifest in _plans(database)}
        self._broken = _broken(database)
        self._stage = Stage(database, counters, settings.face_model)
        self._parts: dict[Dataset, tuple[Bucket, dict[int, Judged]]] = {}
        self._wrong: dict[Dataset, tuple[str, ...]] = {}
        """The chunks of snapshots that contradicted themselves."""
        self._told = True
        """Whether the platform knows what the box has."""
        self._woken = asyncio.Event()
        self._asker: asyncio.Task[None] | None = None

    @property
    def incomplete(self) -> bool:
        """Whether something has been asked for, or is to be, and is not here yet."""
        return self.lacks(Dataset)

    def lacks(self, datasets: Iterable[Dataset]) -> bool:
        """The same of these alone."""
        return bool((self._plans.keys() | self._broken.keys() | self._asking.behind) & {*datasets})

    def add_listener(self, listener: Callable[[Dataset], None]) -> None:
        """Call `listener` on the loop with each dataset that has changed."""
        self._listeners.append(listener)

    def versions(self) -> dict[Dataset, DatasetVersion]:
        """What the box has, for the hello."""
        return {
            Dataset(name): DatasetVersion(*version)
            for name, version in datasets.applied(self._database.reading).items()
        }

    def refresh(self, datasets: Iterable[Dataset] = Dataset) -> None:
        """Ask what has happened to these datasets since, as if something had been missed."""
        self._asking.behind.update(datasets)
        self._woken.set()

    # --- asking

    def attach(self, publish: Callable[[str, bytes], Awaitable[None]]) -> None:
        """There is a connection: ask on it until `detach`."""
        self._asking.begin()
        self._told = True  # by the hello that each connection begins with
        self._woken.set()
        self._asker = asyncio.get_running_loop().create_task(self._ask(publish))

    def detach(self) -> None:
        """It has ended."""
        if self._asker is not None:
            self._asker.cancel()
            self._asker = None

    def wants(self, now_s: float) -> list[Want]:
        """What is to be asked for now (the loop's time); it counts as asked for."""
        return self._asking.wants(now_s, self.versions(), self._plans, broken=self._broken)

    async def _ask(self, publish: Callable[[str, bytes], Awaitable[None]]) -> None:
        topic = self._settings.address.request("dataset")
        try:
            if await self._stage.follow_model():
                self._broken = _broken(self._database)
            await self._begin_waiting_plans()
            while True:
                self._woken.clear()
                for want in self.wants(_now()):
                    await publish(topic, msgspec.json.encode(want))
                at_s = self._asking.wake_at_s()
                wait_s = self._settings.patience_s if at_s is None else max(0.01, at_s - _now())
                try:
                    async with asyncio.timeout(wait_s):
                        await self._woken.wait()
                except TimeoutError:
                    continue
        except (SyncError, StorageError) as error:  # the link notices by itself
            log.debug("asking for datasets ended: %s", error)

    # --- what comes

    async def receive(self, dataset: str, payload: bytes, *, shared: bool = False) -> bool:
        """Take one message of `dataset`; whether the platform should be told of `versions` now.

        `shared`: it came on the topic that all boxes read. BadMessage if it is malformed or was
        not signed by whom we trust. What the box has no room for is counted and asked for again
        later: what goes up must not wait until the disk has room.
        """
        header, body, line = parse(payload)
        if header.dataset != dataset:
            raise BadMessage(f"A message of {header.dataset} came as one of {dataset[:40]!r}.")
        if self._settings.keys and not isinstance(
            header, Chunk
        ):  # its digest stands in the manifest
            self._settings.keys.check(msgspec.json.decode(line))
        name = header.dataset
        if shared and self.versions().get(name, NOTHING).generation.startswith(OWN):
            return False
        self._asking.heard(_now())
        try:
            changed = await self._take(header, body, shared)
        except StorageError as error:
            self._asking.behind.add(name)
            self._counters.add("replica.not_kept")
            log.warning("a message of %s was not kept: %s", name, error)
            return False
        finally:
            self._woken.set()
        # One hello for all that came together: each is answered with what is still lacking.
        self._told = self._told and not changed
        if self._told or self._plans:
            return False
        self._told = True
        return True

    async def _take(self, header: Header, body: bytes, shared: bool) -> bool:
        if header.dataset not in self._plans:
            await self._stage.clean(header.dataset)
        if isinstance(header, Manifest):
            return await self._take_manifest(header, shared)
        if isinstance(header, Chunk):
            return await self._take_chunk(header, body)
        if isinstance(header, Delta):
            return await self._take_delta(header, body)
        return await self._take_bucket(header, body)

    async def _take_manifest(self, manifest: Manifest, shared: bool) -> bool:
        name = manifest.dataset
        has = self.versions().get(name, NOTHING)
        plan = self._plans.get(name)
        version = Plan(manifest).version
        if has.generation == version.generation and has.version >= version.version:
            if not shared and plan is None:  # what is kept for all says nothing of what followed
                self._asking.caught_up(name)
            return False
        if plan is not None and plan.version.generation == version.generation:
            if plan.version.version > version.version:
                return False
            if plan.version == version and plan.manifest.chunks == manifest.chunks:
                return await self._begin_waiting_plans()
        if self._wrong.get(name) == manifest.chunks:
            return False  # its chunks did not give the state that it promised
        self._plans.pop(name, None)
        await self._database.transact(lambda tx: staging.drop_plan(tx, name))
        await self._stage.clean(name)
        text = msgspec.json.encode(manifest)
        await self._database.transact(lambda tx: staging.put_plan(tx, name, text))
        self._asking.caught_up(name)
        self._plans[name] = Plan(manifest)
        return await self._begin_waiting_plans()

    async def _begin_waiting_plans(self) -> bool:
        """Look at plans that have not begun: whether the datasets they need are there by now."""
        changed = False
        for name in list(self._plans):
            plan = self._plans.get(name)
            if plan is None or plan.missing is not None or not self._has_all(plan.manifest.needs):
                continue
            manifest, now = plan.manifest, self._clock.now()
            decide = partial(applying.decide, manifest=manifest, now=now)
            plan.buckets = await self._database.transact(decide)
            if not plan.buckets:
                self._plans.pop(name, None)
                self._whole(name)
                changed = True
                continue
            staged = staging.pieces(self._database.reading, name)
            plan.missing = {
                number
                for number, (first, last) in enumerate(manifest.spans)
                if number not in staged and plan.buckets & frozenset(range(first, last + 1))
            }
            changed |= await self._finish(plan)
        self._woken.set()
        return changed

    def _has_all(self, needs: dict[Dataset, str]) -> bool:
        versions = self.versions()
        return all(versions.get(name, NOTHING).generation == needs[name] for name in needs)

    async def _take_chunk(self, chunk: Chunk, body: bytes) -> bool:
        name, number = chunk.dataset, chunk.chunk
        plan = self._plans.get(name)
        if plan is None or plan.version != DatasetVersion(chunk.generation, chunk.version):
            self._counters.add("replica.unwanted")
            return False
        if plan.missing is None or number not in plan.missing:
            return False
        manifest = plan.manifest
        if digest_of(body) != manifest.chunks[number]:
            self._counters.add("replica.wrong_chunk")
            self._asking.was_wrong(name, number)
            return False
        rows = rows_of(body, chunk.enc)
        _check_buckets(rows, *manifest.spans[number])
        # The others stand as they are, and those of who was erased must not be counted twice.
        differing = [row for row in rows if bucket_of(row.key) in plan.buckets]
        judged = await self._stage.judged(name, differing)
        await self._stage.put(judged, number)
        plan.missing.discard(number)
        self._asking.came(name, number)
        self._woken.set()
        return await self._finish(plan)

    async def _finish(self, plan: Plan) -> bool:
        """Swap, if nothing is missing any more."""
        if plan.missing:
            return False
        name, now = plan.manifest.dataset, self._clock.now()
        try:
            outcome = await self._database.transact(
                lambda tx: applying.finish(tx, plan.manifest, plan.buckets, now)
            )
        except StorageError:
            plan.missing = None  # tried again when the platform says it once more
            raise
        except BadMessage:
            await self._abandon(plan.manifest)
            raise
        self._plans.pop(name, None)
        self._whole(name)
        await self._stage.clean(name)
        await self._applied(name, outcome)
        return True

    async def _abandon(self, manifest: Manifest) -> None:
        """Nothing will come of this snapshot: what it consists of contradicts its manifest."""
        name = manifest.dataset
        self._counters.add("replica.wrong_state")
        self._wrong[name] = manifest.chunks
        self._plans.pop(name, None)
        self._asking.behind.add(name)
        self._asking.again(name)
        await self._database.transact(lambda tx: staging.drop_plan(tx, name))
        await self._stage.clean(name)

    async def _take_delta(self, delta: Delta, body: bytes) -> bool:
        name = delta.dataset
        has = self.versions().get(name, NOTHING)
        if name in self._plans or has.generation != delta.generation or delta.to <= has.version:
            self._counters.add("replica.unwanted")  # doubled, or its snapshot is under way
            if delta.to == has.version:  # the answer crossed what it answers: ask what followed
                self._asking.again(name)
            return False
        if delta.from_ != has.version or not self._has_all(delta.needs):
            self._counters.add("replica.gap")
            self._asking.behind.add(name)
            return False
        judged = await self._stage.judged(name, rows_of(body, delta.enc))
        now = self._clock.now()
        outcome = await self._database.transact(lambda tx: applying.follow(tx, delta, judged, now))
        self._stage.count(judged)
        self._parts.pop(name, None)
        self._asking.caught_up(name)
        if outcome.broken.get(name):
            self._counters.add("replica.wrong_bucket", len(outcome.broken[name]))
        await self._applied(name, outcome)
        return True

    async def _take_bucket(self, bucket: Bucket, body: bytes) -> bool:
        name = bucket.dataset
        has = self.versions().get(name, NOTHING)
        wanted = bucket.bucket in self._broken.get(name, ())
        if name in self._plans or not wanted or has != _version_of(bucket):
            self._counters.add("replica.unwanted")
            return False
        if bucket.parts > BUCKET_PARTS_MAX or bucket.part > bucket.parts:
            raise BadMessage(f"A bucket of {name} comes in {bucket.parts} parts.")
        rows = rows_of(body, bucket.enc)
        _check_buckets(rows, bucket.bucket, bucket.bucket)
        parts = self._parts_of(bucket)
        parts[bucket.part] = await self._stage.judged(name, rows)
        if len(parts) < bucket.parts:
            return False
        del self._parts[name]
        now, arrived = self._clock.now(), [parts[number] for number in sorted(parts)]
        repair = partial(applying.repair, bucket=bucket.bucket, parts=arrived, now=now)
        outcome = await self._database.transact(repair)
        for judged in arrived:
            self._stage.count(judged)
        self._broken = _broken(self._database)
        if not self._broken.get(name):
            self._asking.again(name)
        await self._applied(name, outcome)
        return False

    def _parts_of(self, bucket: Bucket) -> dict[int, Judged]:
        """The parts of this bucket that have come; those of any other are given up."""
        of = _bucket_id(bucket)
        known = self._parts.get(bucket.dataset)
        if known is None or _bucket_id(known[0]) != of:
            known = self._parts[bucket.dataset] = (bucket, {})
        return known[1]

    # --- small things

    async def _applied(self, name: Dataset, outcome: Outcome) -> None:
        for counter, count in outcome.refused.items():
            self._counters.add(counter, count)
        if outcome.broken:
            self._broken = _broken(self._database)
        for listener in self._listeners:
            listener(name)
        await self._begin_waiting_plans()

    def _whole(self, name: Dataset) -> None:
        self._broken.pop(name, None)
        self._asking.caught_up(name)


def _plans(database: Database) -> list[tuple[Dataset, Manifest]]:
    """Snapshots that were under way when the box stopped."""
    texts: dict[str, Any] = staging.plans(database.reading)
    return [
        (Dataset(name), msgspec.json.decode(text, type=Manifest)) for name, text in texts.items()
    ]


def _broken(database: Database) -> dict[Dataset, tuple[int, ...]]:
    found = ((name, staging.broken(database.reading, name, WANTED_MAX)) for name in Dataset)
    return {name: buckets for name, buckets in found if buckets}


def _version_of(header: Bucket) -> DatasetVersion:
    return DatasetVersion(header.generation, header.version)


def _bucket_id(header: Bucket) -> tuple[str, int, int, int]:
    return header.generation, header.version, header.bucket, header.parts


def _check_buckets(rows: Sequence[Row], first: int, last: int) -> None:
    for row in rows:
        if not bytes(row.text) or not first <= bucket_of(row.key) <= last:
            raise BadMessage(f"The row {row.key[:80]!r} stands in a bucket that is not its own.")


def _now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()
