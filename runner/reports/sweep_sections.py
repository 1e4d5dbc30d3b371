"""The parts of a sweep's page, in words, tables and places for charts."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any, Final

from runner.experiments.sweep_figures import cell_name
from runner.figures import duration, number
from runner.reports import sweep_charts as draw
from runner.reports import sweep_tables as listed
from runner.reports.facts import plain
from runner.reports.frame import Section, figure
from runner.reports.tables import facts, folded, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runner.experiments.sweep_figures import SweepFigures
    from runner.experiments.sweep_store import StoredSweep

CHIEF: Final = (
    "makespan_s", "throughput", "latency.mean", "latency.p50", "latency.p99", "sojourn.mean", "wait_put.mean",
    "wait_get.mean",
)  # fmt: skip
"""Metrics that have charts unless others are asked for."""
_MOST_FAULTS: Final = 100
_OWN: Final = ("cells", "axes", "check", "schema")

Charts = dict[str, Any]


def lead(stored: StoredSweep, figures: SweepFigures) -> str:
    """What stands above all: how far it is, what is wrong, and which cell was fastest."""
    notes = (
        [f"The sweep is incomplete: {len(stored.rows):,} of {stored.size:,} runs have ended."] if stored.rows else []
    )
    notes = [] if len(stored.rows) == stored.size else notes or ["No run has ended yet."]
    if figures.left_out:
        notes.append(f"{len(figures.left_out):,} runs did not complete; they are listed below and are in no figure.")
    notes += stored.faults
    statuses = Counter(row.status for row in stored.rows)
    cards = {
        "cells": number(len(figures.cells)),
        "repeats of each": number(stored.manifest["repeat"]),
        "runs ended": f"{len(stored.rows):,} of {stored.size:,}",
        "status": ", ".join(f"{count:,} {status}" for status, count in statuses.items()) or "none",
        "time of all runs": duration(sum(row.wall_s for row in stored.rows)),
    }
    listing = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in cards.items())
    said = "".join(f'<p class="note">{escape(note)}</p>' for note in notes)
    description = stored.manifest.get("description")
    told = f'<p class="sentence">{escape(str(description))}</p>' if description else ""
    return f'{said}{told}<dl class="cards">{listing}</dl>{_best(figures)}{_reading(figures)}'


def _best(figures: SweepFigures) -> str:
    found = figures.best("throughput", largest=True)
    if found is None:
        return ""
    place, best = found
    said = f"Largest median throughput: {number(best.median)} items/s at {cell_name(figures.cells[place])}."
    return f'<p class="sentence">{escape(said)}</p>'


def _reading(figures: SweepFigures) -> str:
    """What the intervals are."""
    counts = {figures.estimate("makespan_s", place).samples: place for place in range(len(figures.cells))}
    covered = [
        f"{count}: {100 * figures.estimate('makespan_s', counts[count]).coverage:.0f} %"
        for count in sorted(counts) if count > 1
    ]  # fmt: skip
    if not covered:
        said = "No cell has two runs that completed: there are no intervals. Repeat the runs to see what chance does."
    else:
        said = (
            "Each figure is a median over the repeats of a cell, with the interval in which the median of the law "
            "behind them lies, whatever that law is (between two order statistics). Number of repeats, and with which "
            f"probability the interval holds: {'; '.join(covered)}; 95 % or more needs six. Repeat r has the same seed "
            "in every cell: changes and speed-up are computed seed by seed, and their intervals are over those."
        )
    return f'<p class="said">{escape(said)}</p>'


def sections(stored: StoredSweep, figures: SweepFigures, metrics: Sequence[str], charts: Charts) -> list[Section]:
    """All parts of the page; the charts they have places for are put into `charts`."""
    parts = [*_speed_ups(figures, charts)]
    shown = [path for path in metrics if path in figures.metrics]
    parts += [_metric(figures, path, place, charts) for place, path in enumerate(shown)]
    parts.append(
        Section("all", "All metrics", folded("The medians of all metrics as a table", listed.everything(figures)))
    )
    if any(row.expectations for row in stored.rows):
        parts.append(Section("expectations", "Expectations", _expectations(stored)))
    if figures.left_out:
        parts.append(Section("failed", "Runs that did not complete", _failed(figures)))
    told = {key: plain(value) for key, value in stored.manifest.items() if key not in _OWN and value is not None}
    parts.append(Section("sweep", "The sweep", facts({"axes": ", ".join(figures.axes), **told})))
    return parts


def _speed_ups(figures: SweepFigures, charts: Charts) -> Iterator[Section]:
    for place, axis in enumerate(axis for axis in figures.varied if figures.is_worker_count(axis)):
        found = figures.speed_ups(axis)
        if not any(each.speed_up.samples for each in found):
            continue
        charts[f"speed-{place}"] = draw.speed_up(found, axis)
        charts[f"efficiency-{place}"] = draw.efficiency(found, axis)
        caption = (
            f"Throughput against that with the smallest {axis} of the line, seed by seed: median and interval. "
            f"{draw.shown_lines(figures.lines(axis))}"
        )
        body = figure(f"speed-{place}", f"Speed-up against {axis}", caption, listed.speed_ups(found, axis))
        caption = "Speed-up as a share of what as many more workers could bring at best."
        body += figure(f"efficiency-{place}", f"Efficiency against {axis}", caption, listed.speed_ups(found, axis))
        yield Section(f"speed-up-{place}", f"Speed-up: {axis}", body)


def _metric(figures: SweepFigures, metric: str, place: int, charts: Charts) -> Section:
    body = ""
    for number_of, axis in enumerate(figures.varied):
        name = f"metric-{place}-{number_of}"
        charts[name] = draw.along(figures, metric, axis)
        tied = figures.tied(axis)
        along = f"{axis}, with which goes {', '.join(tied)}" if tied else axis
        caption = f"{metric} against {along}: median and interval over the repeats. "
        tables = listed.medians(figures, metric, axis) + listed.changes(figures, metric, axis)
        body += figure(name, f"{metric} against {axis}", caption + draw.shown_lines(figures.lines(axis)), tables)
    return Section(f"metric-{place}", metric, body or _alone(figures, metric))


def _alone(figures: SweepFigures, metric: str) -> str:
    """A metric of cells that differ along no axis alone."""
    shown = listed.shown_as(metric)
    rows = [
        [cell_name(cell), listed.spelt(figures.estimate(metric, place), shown)]
        for place, cell in enumerate(figures.cells[: listed.MOST_ROWS])
    ]
    return table(f"{metric}: median of the repeats", ["cell", metric], rows)


def _expectations(stored: StoredSweep) -> str:
    met: Counter[str] = Counter()
    told: Counter[str] = Counter()
    for row in stored.rows:
        for each in row.expectations:
            bound = f"{each['metric']} {each['bound']}"
            told[bound] += 1
            met[bound] += bool(each["met"])
    rows = [[bound, f"{met[bound]:,} of {count:,}"] for bound, count in told.items()]
    return table("Bounds, and in how many runs they were met", ["bound", "met"], rows)


def _failed(figures: SweepFigures) -> str:
    rows = [
        [cell_name(row.settings), row.repeat, row.seed, row.status, row.reason or ""]
        for row in figures.left_out[:_MOST_FAULTS]
    ]
    more = f"; the first {_MOST_FAULTS} of {len(figures.left_out):,}" if len(figures.left_out) > _MOST_FAULTS else ""
    return table(f"Runs that did not complete{more}", ["cell", "repeat", "seed", "status", "reason"], rows, texts=5)
