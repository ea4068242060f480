"""The counter on crowds made of recorded phones; their figures are in `make bench AREA=wifi`."""

import random
from pathlib import Path

import pytest

from tests.bench.mixtures import RADIOS, counted, crowd, v_measure


@pytest.mark.parametrize(("phones", "different"), [(10, True), (20, False), (40, False)])
def test_a_crowd_is_counted_far_better_than_by_addresses_or_fingerprints(
    recordings: Path, phones: int, different: bool
) -> None:
    errors, by_address, by_fingerprint = [], [], []
    for seed in range(4):
        made = crowd(random.Random(seed), phones, RADIOS, different=different)
        found = counted(made.heard)
        errors.append(abs(found.devices / made.phones - 1))
        by_fingerprint.append(abs(made.fingerprints / made.phones - 1))
        labels = [found.labels[one.source] for one in made.heard]
        assert v_measure(made.owners, labels) > 0.9, f"seed {seed}"
        by_address.append(made.addresses / made.phones - 1)
    assert sum(errors) / len(errors) <= 0.2, f"{errors}"
    assert sum(errors) < sum(by_address) / 10
    if not different:
        assert sum(errors) < sum(by_fingerprint) / 2


def test_the_measure_of_agreement() -> None:
    assert v_measure("aabb", "ccdd") == 1
    assert v_measure("aabb", "cccc") == 0
    assert 0 < v_measure("aabb", "ccde") < 1


def test_a_seed_makes_the_same_crowd(recordings: Path) -> None:
    one, same = (crowd(random.Random(5), 10) for _ in range(2))
    assert one == same
    assert crowd(random.Random(6), 10) != one
