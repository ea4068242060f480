"""Spans of numbers (first, last), both ends included: what is missing among them.

Pure. Used by the outbox and by bulk to find what must be declared, and by whoever checks what was.
"""

from collections.abc import Iterable

Span = tuple[int, int]


def missing(accounted: Iterable[Span], *, after: int, upto: int) -> list[Span]:
    """The numbers in `after + 1..upto` that are in no span of `accounted`, in order."""
    found: list[Span] = []
    for first, last in sorted([*accounted, (upto + 1, upto + 1)]):
        if after + 1 < first <= upto + 1:
            found.append((after + 1, first - 1))
        after = max(after, last)
    return found


def size(spans: Iterable[Span]) -> int:
    """How many numbers `spans` hold together; one that is in several counts once."""
    count = behind = 0
    for first, last in sorted(spans):
        count += max(0, last - max(first - 1, behind))
        behind = max(behind, last)
    return count
