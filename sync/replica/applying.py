"""What changes in the box's file: rows are staged in small transactions, and become visible in one.

Called by `sync/replica` inside transactions. A swap writes only rows that changed, table by table,
and so is short; nobody reads what is staged. Members and templates enter and leave only through
`edge/consent.py`, and who was erased never enters: the books keep the hash of such a row alone.
"""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from edge import consent
from edge.errors import BadMessage
from edge.records import ConsentKind, Moment
from edge.storage import datasets, documents, erased, goods, staging
from edge.storage.database import Transaction
from edge.storage.staging import Op
from sync.datasets import Delta, Manifest
from sync.messages import Dataset, DatasetVersion
from sync.replica.judging import Judged
from sync.rows import EMPTY, OF_MEMBERS, differing, key_parts


class Outcome(Struct):
    """What a swap did: how many rows were refused, by counter, and which buckets are broken."""

    refused: dict[str, int] = {}
    broken: dict[Dataset, set[int]] = {}


def stage(tx: Transaction, judged: Judged) -> int:
    """Put rows where nobody reads them yet; how many were of somebody who has been erased."""
    gone = erased.all_of(tx, tx.vault, set(judged.owners.values()))
    if gone:
        judged = judged.without(gone)
    staging.put_rows(tx, judged.dataset, judged.rows)
    for table, cells in judged.cells.items():
        staging.put_cells(tx, table, cells)
    return len(gone)


def decide(tx: Transaction, manifest: Manifest, now: Moment) -> frozenset[int]:
    """Which buckets are not as the manifest says. If all are, its version is what the box has."""
    dataset = manifest.dataset
    buckets = differing(staging.sums(tx, dataset), manifest.buckets)
    if not buckets:
        _settle(tx, dataset, DatasetVersion(manifest.generation, manifest.version), now)
    return frozenset(buckets)


def finish(tx: Transaction, manifest: Manifest, buckets: frozenset[int], now: Moment) -> Outcome:
    """All chunks are staged: the swap. BadMessage, and no change, if the state is another one."""
    staging.mark_absent(tx, manifest.dataset, buckets)
    outcome = _swap(tx, manifest.dataset, now)
    if differing(staging.sums(tx, manifest.dataset), manifest.buckets):
        raise BadMessage(f"The chunks of {manifest.dataset} do not give the state they should.")
    _settle(tx, manifest.dataset, DatasetVersion(manifest.generation, manifest.version), now)
    return outcome


def follow(tx: Transaction, delta: Delta, judged: Judged, now: Moment) -> Outcome:
    """Apply a delta. Buckets that are then not as it says are to be asked for."""
    dataset = delta.dataset
    gone = stage(tx, judged)
    outcome = _swap(tx, dataset, now)
    outcome.refused |= {"replica.refused_erased": gone} if gone else {}
    theirs = {int(number): value for number, value in delta.buckets.items()}
    ours = staging.sums(tx, dataset, theirs)
    broken = {number for number, value in theirs.items() if ours.get(number, EMPTY) != value}
    outcome.broken.setdefault(dataset, set()).update(broken)
    staging.set_broken(tx, dataset, broken)
    datasets.set_applied(tx, dataset, (delta.generation, delta.to), now.wall_ms)
    _clean_all(tx, dataset)
    return outcome


def repair(tx: Transaction, bucket: int, parts: Sequence[Judged], now: Moment) -> Outcome:
    """Put one bucket as the platform has it."""
    dataset = parts[0].dataset
    gone = sum(stage(tx, part) for part in parts)
    staging.mark_absent(tx, dataset, (bucket,))
    outcome = _swap(tx, dataset, now, again=False)
    outcome.refused |= {"replica.refused_erased": gone} if gone else {}
    staging.set_whole(tx, dataset, bucket)
    _clean_all(tx, dataset)
    return outcome


def follow_model(tx: Transaction, model: str) -> bool:
    """Faces are matched by `model`: if that is new, rows that were refused because they are of
    another model are asked for again. Whether there are any.
    """
    if not model or not staging.set_face_model(tx, model):
        return False
    staging.reconsider(tx, Dataset.TEMPLATES)
    buckets = staging.missing(tx, Dataset.TEMPLATES)
    staging.set_broken(tx, Dataset.TEMPLATES, buckets)
    return bool(buckets)


def _swap(tx: Transaction, dataset: Dataset, now: Moment, *, again: bool = True) -> Outcome:
    """Make what is staged of `dataset` visible. With `again`, rows that were missing before and
    still are will be asked for, as will those of other datasets that miss a member.
    """
    outcome = Outcome()
    staging.settle_lost(tx)
    missed = staging.missing(tx, dataset) if again else set()
    leaving = staging.keys(tx, dataset, Op.GONE, Op.BAD)
    staging.strike(tx, dataset)
    refused = _WRITERS.get(dataset, _write_documents)(tx, dataset, leaving, now)
    staging.enter(tx, dataset, refused)
    staging.settle_lost(tx)
    if refused:
        outcome.refused[_REASONS.get(dataset, "replica.refused_by_schema")] = len(refused)
    still = missed & staging.missing(tx, dataset) if missed else set()
    _ask_again(tx, outcome, dataset, still)
    if dataset is Dataset.MEMBERS:
        have = datasets.applied(tx)
        for other in OF_MEMBERS & {Dataset(name) for name in have}:
            _ask_again(tx, outcome, other, staging.missing(tx, other))
    return outcome


def _ask_again(tx: Transaction, outcome: Outcome, dataset: Dataset, buckets: Iterable[int]) -> None:
    missing = set(buckets)
    if missing:
        staging.set_broken(tx, dataset, missing)
        outcome.broken.setdefault(dataset, set()).update(missing)


def _settle(tx: Transaction, dataset: Dataset, version: DatasetVersion, now: Moment) -> None:
    datasets.set_applied(tx, dataset, (version.generation, version.version), now.wall_ms)
    staging.drop_plan(tx, dataset)


def _clean_all(tx: Transaction, dataset: Dataset) -> None:
    """Of one message, so it is little."""
    while staging.clean(tx, dataset):
        pass


# --- one dataset each: what leaves goes first; the keys that were refused


def _write_members(tx: Transaction, dataset: Dataset, leaving: list[str], now: Moment) -> list[str]:
    return consent.swap_members(tx, leaving, now)


def _write_templates(
    tx: Transaction, dataset: Dataset, leaving: list[str], now: Moment
) -> list[str]:
    pairs = [(member, model) for member, model in _parts(dataset, leaving)]
    refused = consent.swap_templates(tx, pairs)
    unagreed = [member for member, _ in _parts(dataset, refused) if consent.agreed_by(tx, member)]
    consent.note_refused(tx, unagreed, ConsentKind.FACE, now)
    return refused


def _write_catalogue(
    tx: Transaction, dataset: Dataset, leaving: list[str], now: Moment
) -> list[str]:
    return goods.swap_catalogue(tx, leaving)


def _write_prices(tx: Transaction, dataset: Dataset, leaving: list[str], now: Moment) -> list[str]:
    goods.swap_prices(tx, leaving)
    return []


def _write_stock(tx: Transaction, dataset: Dataset, leaving: list[str], now: Moment) -> list[str]:
    goods.swap_stock(tx, _parts(dataset, leaving))
    return []


def _write_documents(
    tx: Transaction, dataset: Dataset, leaving: list[str], now: Moment
) -> list[str]:
    return documents.swap(tx, dataset, leaving)


def _parts(dataset: Dataset, keys: list[str]) -> list[tuple[str, ...]]:
    """The fields of keys. A key that is none never came onto the box, and so leaves nothing."""
    found = []
    for key in keys:
        try:
            found.append(key_parts(dataset, key))
        except BadMessage:
            continue
    return found


_Writer = Callable[[Transaction, Dataset, list[str], Moment], list[str]]
_WRITERS: dict[Dataset, _Writer] = {
    Dataset.MEMBERS: _write_members,
    Dataset.TEMPLATES: _write_templates,
    Dataset.CATALOGUE: _write_catalogue,
    Dataset.PRICES: _write_prices,
    Dataset.STOCK: _write_stock,
}
_REASONS: dict[Dataset, str] = {
    dataset: "replica.refused_without_consent" for dataset in OF_MEMBERS
}
