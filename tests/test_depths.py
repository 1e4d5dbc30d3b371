"""The depth of queues as it is seen, added up in bounded memory; and the sampler in the supervisor's loop."""

from __future__ import annotations

import json
from itertools import pairwise
from time import monotonic_ns

from hypothesis import given
from hypothesis import strategies as st

from runner.engines.depths import DepthSampler
from runner.log.depths import FEWEST, Batch, DepthSamples, DepthTally, document

MS = 1_000_000


def test_nothing_seen() -> None:
    assert DepthTally().samples == DepthSamples(0, ())


def test_areas_are_trapezoids() -> None:
    tally = DepthTally()
    for t_ns, depth in ((10, 0), (20, 4), (40, 2)):
        tally.add(t_ns, depth)
    assert tally.samples == DepthSamples(3, (Batch(10, 20, 20), Batch(20, 40, 60)))


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 99)), min_size=2, max_size=400))
def test_batches_are_few_follow_each_other_and_hold_the_whole_area(seen: list[tuple[int, int]]) -> None:
    tally, t_ns, area, last = DepthTally(), 0, 0, seen[0][1]
    for place, (gap, depth) in enumerate(seen):
        t_ns += 2 * gap
        tally.add(t_ns, depth)
        area += gap * (last + depth) if place else 0
        last = depth
    batches = tally.samples.batches
    assert tally.samples.count == len(seen)
    assert min(16, len(seen) - 1) <= len(batches) <= 32
    assert all(one.ended_ns == other.began_ns for one, other in pairwise(batches))
    assert (batches[0].began_ns, batches[-1].ended_ns) == (2 * seen[0][0], t_ns)
    assert sum(batch.item_ns for batch in batches) == area


def test_the_document_is_plain_json() -> None:
    plain = json.loads(json.dumps(document({"main": DepthSamples(2, (Batch(1, 2, 3),))})))
    assert plain == {"main": {"count": 2, "batches": [[1, 2, 3]]}}


class Clockwork:
    """A wait whose patience passes at once, or in which something happens at a given call; notes what it was asked."""

    def __init__(self, happens_at: int | None = None) -> None:
        self.asked: list[int] = []
        self.happens_at = happens_at

    def __call__(self, patience_ms: int) -> bool:
        self.asked.append(patience_ms)
        end = monotonic_ns() + patience_ms * MS
        while monotonic_ns() < end:
            pass
        return len(self.asked) == self.happens_at


def test_before_the_gate_opens_nothing_is_sampled_and_waits_are_whole() -> None:
    looks: list[int] = []

    def look() -> int:
        looks.append(3)
        return 3

    sampler, wait = DepthSampler({"main": look}), Clockwork()
    assert sampler.wait(wait, 20) is False
    assert wait.asked[0] == 20
    assert len(looks) == 1


def test_waits_are_cut_in_slices_between_which_queues_are_looked_at() -> None:
    sampler, wait = DepthSampler({"main": lambda: 3}), Clockwork()
    sampler.begin(monotonic_ns())
    while not sampler.samples:
        assert sampler.wait(wait, 100) is False
    assert max(wait.asked) <= 16
    samples = sampler.samples["main"]
    assert FEWEST <= samples.count <= len(wait.asked) + 1
    assert all(batch.item_ns == 3 * (batch.ended_ns - batch.began_ns) for batch in samples.batches)


def test_of_a_short_run_nothing_is_kept() -> None:
    sampler = DepthSampler({"main": lambda: 3})
    sampler.begin(monotonic_ns())
    sampler.wait(Clockwork(), 30)
    assert sampler.samples == {}


def test_what_happens_ends_the_wait() -> None:
    sampler, wait = DepthSampler({"main": lambda: 3}), Clockwork(happens_at=2)
    sampler.begin(monotonic_ns())
    assert sampler.wait(wait, 60_000) is True
    assert len(wait.asked) == 2


def test_a_wait_without_patience_is_one_look() -> None:
    sampler, wait = DepthSampler({"main": lambda: 3}), Clockwork()
    sampler.begin(monotonic_ns())
    assert sampler.wait(wait, 0) is False
    assert wait.asked == [0]


def test_what_cannot_tell_its_depth_is_left_out() -> None:
    sampler, wait = DepthSampler({"main": lambda: None}), Clockwork()
    sampler.begin(monotonic_ns())
    assert sampler.wait(wait, 20) is False
    assert wait.asked[0] == 20
    assert sampler.samples == {}
