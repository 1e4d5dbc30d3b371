"""What a plan lets expect: loads from rates and means, and times no run falls below."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.config.load import loads as config_of
from runner.planning import forecast
from runner.planning.draws import sampler
from runner.planning.forecast import Bound, Load, loads, shortest
from runner.planning.resolve import plan as resolved

if TYPE_CHECKING:
    from pathlib import Path

    from runner.planning.plan import Plan


def plan_of(text: str, folder: Path | None = None) -> Plan:
    return resolved(config_of(text, folder=folder))


class TestLoads:
    def test_one_queue(self) -> None:
        plan = plan_of("""
            time_scale: 0.5
            producers: {p: {count: 3, items: 10, sleep: 6}}
            consumers: {c: {count: 4, sleep: {distribution: exponential, mean: 2}}}
        """)
        assert loads(plan) == [Load("main", 30, 1.0, 4, 1.0, 1.0, 0.25)]

    def test_producers_without_pauses_come_at_an_unlimited_rate(self) -> None:
        (load,) = loads(plan_of("{producers: {p: {items: 2}}, consumers: {c: {sleep: 1}}}"))
        assert (load.arrival_rate, load.erlangs, load.utilization) == (inf, inf, inf)

    def test_no_work_is_no_load_unless_the_rate_is_unlimited(self) -> None:
        (load,) = loads(plan_of("{producers: {p: {items: 2, sleep: 1}}, consumers: {c: {}}}"))
        assert (load.service_s, load.erlangs, load.utilization) == (0, 0, 0)
        (load,) = loads(plan_of("{producers: {p: {items: 2}}, consumers: {c: {}}}"))
        assert (load.service_s, load.erlangs, load.utilization) == (0, None, None)

    def test_a_stage_passes_on_what_comes_and_no_more_than_it_can_do(self) -> None:
        text = """
            queues: {{a: {{}}, b: {{}}}}
            producers: {{p: {{to: a, items: 8, sleep: 0.1}}}}
            stages: {{s: {{count: 2, from: a, to: b, sleep: {service}}}}}
            consumers: {{c: {{from: b, sleep: 0.05}}}}
        """
        quick, slow = (loads(plan_of(text.format(service=service))) for service in ("0.02", "0.4"))
        assert [load.arrival_rate for load in quick] == [10, 10]
        assert [load.arrival_rate for load in slow] == [10, 5]
        assert [load.utilization for load in slow] == pytest.approx([2, 0.25])
        assert [load.items for load in slow] == [8, 8]

    def test_nobody_knows_what_user_code_takes_or_gives(self) -> None:
        first, second = loads(
            plan_of("""
            queues: {a: {}, b: {}}
            producers: {p: {to: a, items: 8, sleep: 0.1}}
            stages: {s: {from: a, to: b, call: 'json:loads'}}
            consumers: {c: {from: b, sleep: 1}}
        """)
        )
        assert (first.items, first.arrival_rate, first.service_s, first.erlangs) == (8, 10, None, None)
        assert (second.items, second.arrival_rate, second.service_s, second.erlangs) == (None, None, 1, None)

    def test_groups_at_one_queue_work_together(self) -> None:
        """Two workers doing one item a second and one doing two: like three of a mean of 3/4 s."""
        (load,) = loads(
            plan_of("""
            producers: {p: {items: 8, sleep: 0.5}}
            consumers: {slow: {count: 2, sleep: 1}, quick: {sleep: 0.5}}
        """)
        )
        assert (load.workers, load.service_s, load.erlangs, load.utilization) == (3, 0.75, 1.5, 0.5)

    def test_an_infinite_mean_is_no_traffic(self) -> None:
        pareto = "{distribution: pareto, alpha: 1, minimum: 1}"
        (load,) = loads(plan_of(f"{{producers: {{p: {{items: 8, sleep: {pareto}}}}}, consumers: {{c: {{sleep: 1}}}}}}"))
        assert (load.arrival_rate, load.erlangs) == (0, 0)

    def test_how_many_items_an_endless_producer_puts_is_unknown(self) -> None:
        (load,) = loads(plan_of("{duration: 1, producers: {p: {sleep: 0.1}}, consumers: {c: {}}}"))
        assert load.items is None


class TestShortest:
    def test_the_work_shared_by_all_readers(self) -> None:
        plan = plan_of("{producers: {p: {count: 2, items: 10, sleep: 1}}, consumers: {c: {count: 4, sleep: 3}}}")
        assert shortest(plan) == Bound(15.0, "the work of c", exact=True)

    def test_the_pauses_of_one_producer(self) -> None:
        plan = plan_of("{producers: {p: {count: 2, items: 10, sleep: 2}}, consumers: {c: {count: 4, sleep: 3}}}")
        assert shortest(plan) == Bound(20.0, "the pauses of p", exact=True)

    def test_split_items_are_paused_for_once(self) -> None:
        plan = plan_of(
            "{producers: {p: {count: 2, items: {start: 0, stop: 5, share: split}, sleep: 2}}, consumers: {c: {}}}"
        )
        assert shortest(plan).seconds == 6.0

    def test_it_is_made_of_the_very_draws_of_the_run(self) -> None:
        law = "{distribution: randint, low: 1, high: 5}"
        plan = plan_of(f"{{seed: 42, producers: {{p: {{items: 10}}}}, consumers: {{c: {{count: 2, sleep: {law}}}}}}}")
        (service,) = [group.service for group in plan.groups if group.service is not None]
        drawn = sum(service(f"p-0:{seq}", seq) for seq in range(10))
        assert shortest(plan) == Bound(drawn / 2 / 1e9, "the work of c", exact=True)

    def test_beyond_many_draws_the_means_are_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        plan = plan_of("{producers: {p: {items: 10, sleep: 1}}, consumers: {c: {sleep: 3}}}")
        monkeypatch.setattr(forecast, "MOST_DRAWS", 19)
        assert shortest(plan) == Bound(30.0, "the work of c", exact=False)

    def test_a_billion_items_are_no_work(self) -> None:
        plan = plan_of("{producers: {p: {items: 1000000000, sleep: 1ms}}, consumers: {c: {}}}")
        assert shortest(plan) == Bound(1e6, "the pauses of p", exact=False)

    def test_a_duration_cuts_the_pauses(self) -> None:
        text = "{{duration: 5, producers: {{p: {{items: {items}, sleep: 1}}}}, consumers: {{c: {{}}}}}}"
        assert shortest(plan_of(text.format(items=3))) == Bound(3.0, "the pauses of p", exact=True)
        assert shortest(plan_of(text.format(items=8))) == Bound(5.0, "the pauses of p, cut at the duration", exact=True)

    def test_an_endless_producer_goes_on_for_the_duration(self) -> None:
        plan = plan_of("{duration: 5, producers: {p: {sleep: 1}}, consumers: {c: {}}}")
        assert shortest(plan) == Bound(5.0, "p puts until the duration is over", exact=True)

    def test_quotas_that_stop_the_producers_early_leave_only_the_work_they_allow(self) -> None:
        plan = plan_of("{producers: {p: {items: 10, sleep: 9}}, consumers: {c: {count: 2, items: 2, sleep: 3}}}")
        assert shortest(plan) == Bound(6.0, "the work of c", exact=False)

    def test_of_several_groups_the_quickest_counts(self) -> None:
        plan = plan_of("{producers: {p: {items: 9}}, consumers: {slow: {count: 2, sleep: 6}, quick: {sleep: 3}}}")
        assert shortest(plan) == Bound(9.0, "the work of slow and quick", exact=True)

    def test_a_trace_too_short_leaves_its_mean(self, tmp_path: Path) -> None:
        (tmp_path / "trace.jsonl").write_text("1\n3\n")
        text = "{producers: {p: {items: 5}}, consumers: {c: {sleep: {distribution: trace, file: trace.jsonl}}}}"
        assert shortest(plan_of(text, tmp_path)) == Bound(10.0, "the work of c", exact=False)

    def test_nothing_that_takes_time_is_0(self) -> None:
        assert shortest(plan_of("{producers: {p: {items: 5}}, consumers: {c: {call: 'json:loads'}}}")).seconds == 0

    @given(pause=st.floats(0, 5), service=st.floats(0, 5), consumers=st.integers(1, 5), scale=st.floats(0, 3))
    def test_it_grows_with_the_time_scale(self, pause: float, service: float, consumers: int, scale: float) -> None:
        text = "{producers: {p: {items: 7}}, consumers: {c: {}}}"
        times = {"producers.p.sleep": pause, "consumers.c.sleep": service, "consumers.c.count": consumers}
        once, scaled = (
            shortest(resolved(config_of(text, overrides={**times, "time_scale": factor}))).seconds
            for factor in (1, scale)
        )
        assert scaled == pytest.approx(once * scale, abs=1e-7)


@pytest.mark.parametrize("time_scale", [0, 0.5, 2])
def test_the_mean_of_a_sampler_is_that_of_its_law_scaled(time_scale: float) -> None:
    plan = plan_of(f"""
        time_scale: {time_scale}
        producers: {{p: {{items: 1, sleep: {{distribution: uniform, low: 1, high: 2}}}}}}
        consumers: {{c: {{sleep: 3}}}}
    """)
    producer, consumer = plan.groups
    assert consumer.service is not None
    assert producer.pause.mean_ns == pytest.approx(1.5e9 * time_scale)
    assert consumer.service.mean_ns == 3e9 * time_scale


def test_the_mean_of_draws_comes_near_the_mean() -> None:
    from runner.config.distributions import Exponential

    drawn = sampler(1, "g", "service", Exponential(0.2), 0.5)
    assert sum(drawn(f"p-0:{seq}", seq) for seq in range(4000)) / 4000 == pytest.approx(drawn.mean_ns, rel=0.05)
