"""Whatever is agreed to and taken back in the middle of a day: nobody is ever identified, suggested
or believed to be anywhere by a kind of sign that they do not agree to at that moment.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from edge import consent
from edge.records import ConsentKind
from edge.visiting import RESTS_ON
from tests.shop.cameras import Cameras
from tests.shop.judge import allowed, judge
from tests.shop.people import Person, Town, town
from tests.shop.play import Stage
from tests.shop.shop import Size
from tests.shop.shop import settings as shop_settings
from tests.shop.story import Story

SIZE = Size(adults=40, visits=40, labelled=120)
BATCH_MS, BATCHES = 20_000, 200
"""About so many batches has such a day."""
KINDS = tuple(ConsentKind)
CONSENTS = st.sets(st.sampled_from(KINDS[1:])).map(lambda kinds: {*kinds, ConsentKind.PROGRAMME})
WITHDRAWALS = st.lists(
    st.tuples(st.integers(0, 39), st.sampled_from(KINDS), st.integers(0, 1000)), max_size=25
)
Withdrawal = tuple[int, ConsentKind, int]


class Withdrawing:
    """Takes agreements back as the day goes on, and looks after each batch at what is believed."""

    def __init__(self, people: Town, planned: Sequence[Withdrawal], batches: int) -> None:
        self._members = people.members
        self._people = people
        self._planned = sorted((at * batches // 1000, who, kind) for who, kind, at in planned)
        self._batch = 0
        self.named = 0
        self.withdrawn = 0

    async def __call__(self, stage: Stage, at_ms: int) -> None:
        """After a batch."""
        self._batch += 1
        while self._planned and self._planned[0][0] <= self._batch:
            _, who, kind = self._planned.pop(0)
            if self._members:
                await self._withdraw(stage, self._members[who % len(self._members)], kind)
        self._look(stage)

    async def _withdraw(self, stage: Stage, one: Person, kind: ConsentKind) -> None:
        if kind not in one.consents:
            return
        self.withdrawn += 1
        now = stage.clock.now()
        await stage.database.transact(lambda tx: consent.withdraw(tx, one.id, kind, now))
        stage.desk.reload()
        one.consents = frozenset() if kind is ConsentKind.PROGRAMME else one.consents - {kind}

    def _look(self, stage: Stage) -> None:
        for visit in stage.desk.here():
            if visit.member is not None:
                self.named += 1
                one = self._people.by_id(visit.member)
                assert allowed(one, visit.reasons), (one, visit)
        for holder in stage.desk._book._holders():
            for sign in holder.values():
                one = self._people.by_id(sign.member)
                needs = {kind for kind, of in RESTS_ON if of is sign.kind}
                assert {ConsentKind.PROGRAMME} | needs <= one.consents, (one, sign.kind)


async def a_day(
    directory: Path, seed: int, consents: Sequence[set[ConsentKind]], planned: Sequence[Withdrawal]
) -> tuple[Withdrawing, int]:
    """A day in a town where every adult is a member and comes often; all of them show everything:
    face, phone and card.
    """
    people = town(np.random.default_rng(seed), SIZE.adults, staff=1, delivery=1)
    for number, one in enumerate(people.adults):
        one.consents = frozenset(consents[number % len(consents)])
        one.photos = 5 if ConsentKind.FACE in one.consents else 0
        one.card_habit = one.kiosk_habit = 0.5
        one.phone_habit, one.logs_in_as = 0.8, one.number
    tale = Story(
        people,
        Cameras(people, np.random.default_rng(seed)),
        np.random.default_rng(seed),
        SIZE.visits,
    )
    stage = Stage(directory, shop_settings(SIZE, 0), np.random.default_rng(seed))
    stage.batch_ms = BATCH_MS
    try:
        await stage.move_in(tale)
        withdrawing = Withdrawing(people, planned, batches=BATCHES)
        given = {one.number: one.consents for one in people.people}
        told = await stage.play(tale, 0, guesses=False, each=withdrawing)
        withdrawing._look(stage)
    finally:
        stage.close()
    for one in people.people:  # what the platform was told is held against what was ever agreed to
        one.consents = given[one.number]
    return withdrawing, judge(people, tale.truth, told).without_consent


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # a day of another seed is no simpler
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
@given(st.integers(0, 2**32 - 1), st.lists(CONSENTS, min_size=1, max_size=12), WITHDRAWALS)
def test_nobody_is_matched_by_a_sign_without_consent(
    seed: int, consents: list[set[ConsentKind]], planned: list[Withdrawal]
) -> None:
    note(f"seed {seed}")
    with tempfile.TemporaryDirectory() as directory:
        _, without = asyncio.run(a_day(Path(directory), seed, consents, planned))
    assert without == 0


def test_with_all_consents_many_are_named_until_they_withdraw() -> None:
    """The property above would hold of a box that names nobody: this one does."""
    every = [set(KINDS)]
    with tempfile.TemporaryDirectory() as directory:
        before, _ = asyncio.run(a_day(Path(directory), 9, every, []))
    planned = [(who, ConsentKind.PROGRAMME, 0) for who in range(60)]
    with tempfile.TemporaryDirectory() as directory:
        after, _ = asyncio.run(a_day(Path(directory), 9, every, planned))
    assert before.named > 200
    assert after.withdrawn > 30
    assert after.named == 0
