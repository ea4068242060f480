"""Whose a coupon is: claimed for one order, then confirmed by it or released again.

Used by the reference platform's answers. One row for each coupon and one statement for each step,
so that whatever workers are asked at the same time, one order gets it; asking again for the same
order says the same again.
"""

from sync.ingest.store import Store

CLAIM_MS = 15 * 60 * 1000
"""A claim that no order confirmed in so long falls back; a basket is paid or left by then."""


class Claims:
    """The claims in `store`. A `holder` is one order of one box."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(self, coupon: str, holder: str, now_ms: int) -> bool:
        """Whether it is the holder's now."""
        with self._store.transaction() as statements:
            rows = statements.execute(
                "INSERT INTO coupon (coupon, holder, confirmed, claimed_ms) VALUES (?, ?, 0, ?)"
                " ON CONFLICT (coupon) DO UPDATE SET holder = excluded.holder,"
                " claimed_ms = excluded.claimed_ms WHERE coupon.holder = excluded.holder"
                " OR (coupon.confirmed = 0 AND coupon.claimed_ms < ?) RETURNING holder",
                (coupon, holder, now_ms, now_ms - CLAIM_MS),
            )
        return bool(rows)

    def confirm(self, coupon: str, holder: str) -> bool:
        """Used up by the holder, for good; whether it was the holder's."""
        with self._store.transaction() as statements:
            rows = statements.execute(
                "UPDATE coupon SET confirmed = 1 WHERE coupon = ? AND holder = ? RETURNING holder",
                (coupon, holder),
            )
        return bool(rows)

    def release(self, coupon: str, holder: str) -> bool:
        """Whether the holder has it no more; not if it was used up already."""
        with self._store.transaction() as statements:
            statements.execute(
                "DELETE FROM coupon WHERE coupon = ? AND holder = ? AND confirmed = 0",
                (coupon, holder),
            )
            rows = statements.execute(
                "SELECT 1 FROM coupon WHERE coupon = ? AND holder = ?", (coupon, holder)
            )
        return not rows
