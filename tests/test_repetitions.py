"""The promise of intervals, kept over many simulations; `make coverage` is the long form."""

from __future__ import annotations

import pytest
from repetitions import SCENES, SLOWER, compared, covered, relatively_covered

REPETITIONS, ITEMS = 20, 400
"""Seeds are fixed, and so are the counts below."""


@pytest.mark.parametrize("one_seed", [False, True], ids=["two seeds", "one seed"])
def test_a_slower_service_is_within_the_intervals(one_seed: bool) -> None:
    scene = SCENES["bounded"]
    found = [compared(scene, ITEMS, SLOWER, each, one_seed=one_seed) for each in range(REPETITIONS)]
    inside, known = covered(found, "service.mean", scene.service_ms / 1000 * (SLOWER - 1))
    assert known == REPETITIONS
    assert inside >= 0.9 * known
    assert relatively_covered(found, "service.mean", SLOWER - 1) >= 0.9 * known
    for metric in ("makespan_s", "throughput", "latency.mean", "sojourn.mean"):
        inside, known = covered(found, metric)
        assert known >= 0.9 * REPETITIONS, metric
        assert inside >= 0.9 * known, metric
    if one_seed:
        seen = [each.differs for figures in found for each in figures if each.metric == "service.mean"]
        assert sum(seen) >= 0.9 * REPETITIONS


def test_two_seeds_of_one_config_do_not_differ() -> None:
    scene = SCENES["bounded"]
    wrong = sum(any(e.differs for e in compared(scene, ITEMS, 1, each, one_seed=False)) for each in range(REPETITIONS))
    assert wrong <= 2
