"""Figures as people read them."""

from __future__ import annotations

import pytest

from runner.figures import duration, number, share


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0, "0 us"),
        (0.00025, "250 us"),
        (0.000_000_4, "0.40 us"),
        (0.0015, "1.50 ms"),
        (0.9996, "1.00 s"),
        (12.34, "12.3 s"),
        (599.4, "599 s"),
        (600, "10 min 0 s"),
        (7325, "2 h 2 min"),
    ],
)
def test_durations_have_three_digits_and_a_unit(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0"), (1234567, "1,234,567"), (0.0, "0"), (0.666, "0.67"), (9.996, "10.0"), (12345.6, "12,346")],
)
def test_whole_numbers_are_full_and_others_have_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_shares_are_percent() -> None:
    assert [share(None), share(0.0), share(0.756)] == ["-", "0 %", "76 %"]
