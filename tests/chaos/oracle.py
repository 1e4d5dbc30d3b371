"""The oracle: judges a trial by its event log and exit code alone, and shares no code with what it judges."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from chaos.fates import Event, Fates, Fault, Wrong
from chaos.trial import Act

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chaos.trial import Trial

_ABOUT_ITEMS: Final = {"put", "get", "done", "redelivery", "left", "failed", "lost"}
_DEATH_BY: Final = {
    Act.KILL: ("was killed by SIGKILL",),
    Act.EXIT: ("exited with 0 before its end",),
    Act.RAISE: ("exited with 70 before its end", "exited with 1 before its end"),
    Act.STOP: ("was killed for working on one item for longer than item_timeout",),
}
"""What is said of a death; mprun's own code ends with 70, and with Python's 1 around its main function."""

_AS_NO_JSON: Final = (Act.RAISE, "journal.item_members")
"""An exception there means an item that is no JSON value, which is shown as its repr."""


def read(path: Path) -> list[Event]:
    """The events of a log; raises ValueError where it is no good one."""
    lines = path.read_bytes().split(b"\n")
    if lines.pop():
        raise ValueError("the last line is not complete")
    events: list[Event] = [json.loads(line) for line in lines]
    if [events[0]["event"], events[-1]["event"]] != ["run.start", "run.end"]:
        raise ValueError(f"from {events[0]['event']} to {events[-1]['event']}")
    for one, other in itertools.pairwise(events):
        if one["t_ns"] > other["t_ns"]:
            raise ValueError(f"not in the order of time: {one} before {other}")
    return events


def judge(trial: Trial, path: Path, exit_code: int, killed: int) -> list[Fault]:
    """What is wrong with a trial in which so many workers were killed."""
    try:
        events = read(path)
    except (ValueError, KeyError, IndexError, OSError) as error:
        return [Fault(Wrong.UNREADABLE, str(error))]
    queues = {name: Fates(name) for name in events[0]["queues"]}
    found = [
        fault for event in events if event["event"] in _ABOUT_ITEMS for fault in queues[event["queue"]].enter(event)
    ]
    found += [*_workers(trial, events, killed), *_ended(trial, events, exit_code, queues)]
    unshowable = any((trap.act, trap.place.partition("+")[0]) == _AS_NO_JSON for trap in trial.traps)
    for name, fates in queues.items():
        found += [*fates.contradictions(), *fates.not_as_planned(trial.expected()[name], or_repr=unshowable)]
    if trial.kind == "pipe":
        found += [Fault(Wrong.LOST, str(event)) for event in events if event["event"] == "lost"]
    return found


def _workers(trial: Trial, events: list[Event], killed: int) -> Iterator[Fault]:
    """Whoever started ended; who died was killed; replacements are announced."""
    of = defaultdict[str, list[Event]](list)
    for event in events:
        of[event["event"]].append(event)
    started = Counter((e["worker"], e["incarnation"]) for e in of["worker.start"])
    ended = Counter((e["worker"], e["incarnation"]) for e in of["worker.exit"])
    if started != ended or any(count > 1 for count in started.values()):
        yield Fault(Wrong.RECORD, f"started {started}, ended {ended}")
    acts = [*(trap.act for trap in trial.traps), *([Act.KILL] if trial.kills else [])]
    deaths = [death for act in acts for death in _DEATH_BY[act]]
    died = of["worker.died"]
    strange = [e for e in died if not any(death in e["why"] for death in deaths)]
    if len(died) > killed + len(trial.traps) or strange:
        yield Fault(Wrong.RECORD, f"{killed} killed, {trial.traps}, and these died: {died}")
    restarted = {(e["worker"], e["incarnation"]) for e in of["worker.restart"]}
    if restarted != {(name, incarnation) for name, incarnation in started if incarnation > 1}:
        yield Fault(Wrong.RECORD, f"restarted {restarted}, started {started}")


def _ended(trial: Trial, events: list[Event], exit_code: int, queues: dict[str, Fates]) -> Iterator[Fault]:
    """The run's exit code is the right one, and what goes with it holds."""
    end, kinds = events[-1], {event["event"] for event in events}
    reason = end["reason"] or ""
    acts = {trap.act for trap in trial.traps}
    fatal = "worker.died" in kinds and (trial.policy == "fail" or trial.kind != "pipe")
    lonely = trial.policy == "continue" and "has lost its last reader" in reason
    hung = Act.STOP in acts and "hang" in kinds
    in_user_code = Act.RAISE in acts and "error" in kinds
    aside = [event for event in events if event["event"] == "failed" and not in_user_code]
    for event in aside:
        deliveries = [e["delivery"] for e in events if e["event"] == "redelivery" and e["id"] == event["id"]]
        if "killed its worker 3 times" not in event["why"] or max(deliveries, default=1) < 3:
            yield Fault(Wrong.RECORD, f"set aside too early: {event}")
    right = 1 if fatal or lonely or hung or in_user_code or aside else 0
    if exit_code != right or (end["status"] == "completed") != (right == 0):
        yield Fault(Wrong.EXIT_CODE, f"{exit_code} instead of {right}: {end}")
    if fatal and trial.kind != "pipe" and not (trial.kind in reason and "kind pipe can" in reason):
        yield Fault(Wrong.RECORD, f"does not say why and which kind to use: {end}")
    if right == 0:
        yield from _everything_done(trial, queues)


def _everything_done(trial: Trial, queues: dict[str, Fates]) -> Iterator[Fault]:
    """Where a run went well, all is done that was planned; where nobody is replaced, all that was put."""
    whole = trial.policy != "continue"
    for name, fates in queues.items():
        if trial.leaves_some:
            yield from _quotas_met(fates, trial.quota or 0, whole=whole)
            continue
        missing = [id_ for id_ in (trial.expected()[name] if whole else fates.put) if not fates.done.get(id_)]
        if missing:
            yield Fault(Wrong.LOST, f"{name}: {len(missing)} not done, such as {missing[:3]}")


def _quotas_met(fates: Fates, quota: int, *, whole: bool) -> Iterator[Fault]:
    for worker, count in fates.done_by().items():
        if worker.startswith("c-") and (count > quota or (whole and count < quota)):
            yield Fault(Wrong.RECORD, f"{fates.queue}: {worker} did {count} of its quota of {quota}")
