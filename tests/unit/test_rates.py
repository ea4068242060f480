"""Rates of error: what is expected of the posteriors, and what staff corrected."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge import consent, erasure
from edge.presence.expected import REFRESH_S, Expected
from edge.presence.fusion import Thresholds
from edge.presence.prior import DAY_MS, MEMBER_SHARE
from edge.presence.rates import Rate, rates
from edge.records import Consent, ConsentKind, Member, Moment
from edge.storage import recent_visits, visits
from edge.storage.database import Database
from edge.storage.recent_visits import Tallies, Tally
from edge.visiting import Stage, Visit, VisitState

NOW = Moment(1_790_000_000_000, 50_000_000, "boot", True)
IDENTIFIED, SUGGESTED, ANONYMOUS = VisitState.IDENTIFIED, VisitState.SUGGESTED, VisitState.ANONYMOUS


class Shop:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.count = 0

    async def knows(self, *names: str) -> None:
        consents = (Consent(ConsentKind.PROGRAMME, 0, "v1", "till"),)
        for name in names:
            member = Member(name, name, f"card-{name}", consents=consents)
            await self.database.transact(lambda tx, one=member: consent.accept_member(tx, one))

    async def had(
        self,
        state: VisitState = ANONYMOUS,
        posterior: float = 0.0,
        reason: str = "card scanned",
        days_ago: float = 0.0,
    ) -> str:
        """A visit that has ended, of anna if it is anybody's."""
        at = Moment(NOW.wall_ms - round(days_ago * DAY_MS), NOW.mono_ms, NOW.boot, True)
        member, reasons = (None, ()) if state is ANONYMOUS else ("anna", (reason,))
        return await self.had_this(Visit("", state, at, at, "door", member, posterior, reasons))

    async def had_this(self, visit: Visit, stage: Stage = Stage.LEFT) -> str:
        self.count += 1
        visit = replace(visit, id=f"v{self.count:03}", stage=stage)
        await self.database.transact(lambda tx: visits.put(tx, visit))
        return visit.id

    async def corrected(self, visit: str, before: VisitState, sign: str) -> None:
        rows = [(visit, 1, before.value, "anna", sign), (visit, 2, "corrected", "anna", sign)]
        sql = (
            "INSERT INTO visit_step (visit, number, at, what, sensor, text, member, sign)"
            " VALUES (?, ?, '[]', ?, '', '', ?, ?)"
        )
        await self.database.transact(lambda tx: tx.executemany(sql, rows))

    def tallies(self, days: int = 30) -> Tallies:
        return recent_visits.tallies(self.database.reading, NOW.wall_ms - days * DAY_MS)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    database = Database.open(tmp_path)
    yield Shop(database)
    database.close()


async def test_visits_are_tallied_by_how_sure_they_were_and_by_what(shop: Shop) -> None:
    await shop.knows("anna")
    await shop.had(IDENTIFIED, 0.995)
    await shop.had(IDENTIFIED, 0.999, "face at door: 3 frames")
    await shop.had(SUGGESTED, 0.9, "face at door: 2 frames")
    await shop.had(IDENTIFIED, 0.5, days_ago=31)
    await shop.had_this(Visit("", IDENTIFIED, NOW, NOW, "door", "anna", 0.5, counted=False))
    await shop.corrected(await shop.had(), IDENTIFIED, "face")
    await shop.corrected(await shop.had(), IDENTIFIED, "card")
    await shop.corrected(await shop.had(), SUGGESTED, "face")
    await shop.had()
    found = shop.tallies()
    assert (found.identified.visits, found.identified.corrected) == (2, 2)
    assert found.identified.doubt == pytest.approx(0.006)
    assert (found.suggested.visits, found.suggested.corrected) == (1, 1)
    assert found.suggested.doubt == pytest.approx(0.1)
    assert (found.by_face.visits, found.by_face.corrected) == (1, 1)
    assert found.by_face.doubt == pytest.approx(0.001)
    assert found.anonymous == 4


async def test_a_new_box_has_no_rates_yet(shop: Shop) -> None:
    for rate in rates(shop.tallies(), Thresholds(), 0.001):
        assert (rate.told, rate.expected, rate.corrected, rate.observed) == (0, None, 0, None)


def test_expected_bound_and_observed_stand_beside_each_threshold() -> None:
    found = Tallies(Tally(98, 0.196, 2), Tally(10, 1.5, 0), Tally(60, 0.12, 1), 499)
    identified, suggested, fpir = rates(found, Thresholds(0.99, 0.8), 0.001)
    assert identified == Rate("identified", 0.99, 0.01, 100, pytest.approx(0.002), 2, 0.02)
    assert suggested == Rate("suggested", 0.8, 0.2, 10, pytest.approx(0.15), 0, 0.0)
    assert (fpir.name, fpir.threshold, fpir.bound) == ("target_fpir", 0.001, 0.001)
    assert fpir.expected == pytest.approx(0.12 / 499.12)
    assert fpir.observed == pytest.approx(1 / 499.12)


# --- the prior that comes of them


async def test_a_prior_comes_from_visits_that_ended_and_were_decided(shop: Shop) -> None:
    await shop.knows("anna", "boris")
    expected = Expected(shop.database)
    assert expected.prior(NOW).share == pytest.approx(MEMBER_SHARE)
    for _ in range(30):
        await shop.had(IDENTIFIED, 0.999)
        await shop.had(SUGGESTED, 0.9)
        await shop.had_this(Visit("", ANONYMOUS, NOW, NOW, "door"), Stage.BROWSING)
    told = recent_visits.recent(shop.database.reading, 0)
    assert told == [("anna", NOW.wall_ms)] * 30
    assert expected.prior(NOW).of("anna") == expected.prior(NOW).of("boris"), "it is still new"
    later = Moment(NOW.wall_ms, NOW.mono_ms + round(REFRESH_S * 1000), NOW.boot, True)
    assert expected.prior(later).of("anna") > expected.prior(later).of("boris")


async def test_who_is_erased_is_expected_no_more(shop: Shop) -> None:
    await shop.knows("anna", "boris")
    await shop.had(IDENTIFIED, 0.999)
    expected = Expected(shop.database)
    assert "anna" in expected.prior(NOW).weights
    await shop.database.transact(lambda tx: erasure.erase(tx, "anna", NOW))
    expected.changed()
    assert expected.prior(NOW).weights == {}
    assert expected.prior(NOW).members == 1
