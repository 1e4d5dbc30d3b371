"""A comparison in words and figures as people read them, for tables on terminals and pages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from runner.figures import NONE, duration, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runner.analysis.contrast import Contrast
    from runner.experiments.compare import Comparison

_LONGEST: Final = 60
RUNS: Final = ("", "run", "status", "engine", "seed", "put", "done")
FIGURES: Final = ("figure", "A", "B", "B - A", "from", "to", "in %", "from", "to", "differs")


def run_rows(comparison: Comparison) -> list[list[str]]:
    """The two runs, a row each, under `RUNS`."""
    return [
        [letter, side.name, side.status, side.engine or NONE, NONE if side.seed is None else str(side.seed),
         *(number(side.counts[key]) for key in ("put", "done"))]
        for letter, side in (("A", comparison.first), ("B", comparison.other))
    ]  # fmt: skip


def short(value: Any) -> str:
    """A value of a config or manifest, cut where it is long."""
    text = NONE if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def shown_figures(comparison: Comparison) -> Sequence[Contrast]:
    """All figures that are not 0 on both sides."""
    return [each for each in comparison.figures if each.first or each.other]


def figure_rows(comparison: Comparison) -> list[list[str]]:
    """Those, a row each, under `FIGURES`."""
    return [
        [each.metric, _value(each, each.first), _value(each, each.other),
         *(_value(each, value, sign=True) for value in (each.difference, each.low, each.high)),
         *map(_percent, (each.relative, each.relative_low, each.relative_high)), _verdict(each)]
        for each in shown_figures(comparison)
    ]  # fmt: skip


def _value(figure: Contrast, value: float | None, *, sign: bool = False) -> str:
    if value is None:
        return NONE
    plus = "+" if sign and value > 0 else ""
    if figure.unit == "share":
        return f"{plus}{100 * value:.1f} %"
    return f"{plus}{duration(value) if figure.unit == 's' else number(value)}"


def _percent(share: float | None) -> str:
    if share is None:
        return NONE
    percent = 100 * share
    digits = 0 if abs(percent) >= 99.95 else 1 if abs(percent) >= 9.995 else 2
    return f"{percent:+,.{digits}f}"


def _verdict(figure: Contrast) -> str:
    if figure.differs:
        return "yes"
    return f"? {figure.why}" if figure.why else "not shown, it drifts" if figure.drifts else "not shown"


def basis(comparison: Comparison, family: int) -> str:
    """What was compared with what, and what the columns mean."""
    draws = comparison.draws
    if draws.seeds:
        how = "the same items were drawn the same (one seed) and are compared with themselves"
    elif draws.paired:
        how = f"planned_ns is the same for {draws.same:,} items, which are compared with themselves"
    else:
        how = "the draws are not the same: the runs are compared as wholes"
    return (
        f"{how}; from and to: where the difference lies with 95 %, figure by figure; "
        f"differs: at most 5 % that any of the {family} figures with an interval is called so by chance (Holm)"
    )
