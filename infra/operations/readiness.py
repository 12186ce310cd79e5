"""Judges the figures: what is in order in this market, what is not, and what a person should do about it."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

import msgspec

from infra.health import Condition, PartState
from infra.operations.figures import COUNTED, NO_ANSWER, Outbox, ServerFigures
from infra.operations.processes import GONE, SILENT, RunningProcess
from infra.set_aside import SETTLE

OLD = timedelta(seconds=30)
"""If an event has waited longer than this to be sent to Kafka, a person must act."""
CLOCK_TOLERANCE = timedelta(seconds=1)
"""If this machine's clock differs from the database's by more than this, a person must set it."""
DEAD_LETTERS = "dead letters"
LOOK_AT_LETTERS = (
    "`lonja dead-letters list`; correct the cause, then `replay`, or `dismiss` those that need not be handled"
)
NEEDED = ("worker", "streams")
"""Kinds of processes without which events do not take effect."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """The judgement of one part of the market, or of one part of a ``process``. A part that waits for a server counts
    as in order, because the fault is in the server."""

    part: str
    state: PartState
    process: str = ""
    detail: str = ""
    remedy: str = ""
    apart: bool = False
    """Whether a fault of this part leaves the process and the market ready (see :class:`infra.health.Condition`)."""

    @property
    def ready(self) -> bool:
        return self.state in (PartState.running, PartState.waiting)


def is_ready(judgements: Iterable[Judgement]) -> bool:
    """Return whether every part of the market is in order. A part that is ``apart`` does not count."""
    return all(each.ready or each.apart for each in judgements)


def judge(figures: ServerFigures, own: Iterable[Condition] = (), process: str = "") -> list[Judgement]:
    """Return a judgement of every part. ``own`` are the present conditions of the process that asks, ``process``. They
    replace the conditions in its row, which are older."""
    return [
        *_servers(figures),
        *_processes(figures.processes, known=not figures.database),
        *(_condition(each, process) for each in own),
        *(
            _condition(each, other.process)
            for other in figures.processes
            if other.alive and other.process != process
            for each in other.conditions
        ),
        *(_outbox(each) for each in figures.outboxes),
        *_lags(figures),
        *_dead_letters(figures),
    ]


def _servers(figures: ServerFigures) -> Iterator[Judgement]:
    for part, failure in (("database", figures.database), ("kafka", figures.kafka)):
        yield Judgement(
            part=part,
            state=PartState.degraded if failure == NO_ANSWER else PartState.stopped if failure else PartState.running,
            detail=failure,
            remedy=f"read the log of {part}; `lonja up` restarts it without help" if failure else "",
        )
    if abs(figures.clock_ahead) > CLOCK_TOLERANCE:
        seconds = figures.clock_ahead.total_seconds()
        yield Judgement(
            part="clock",
            state=PartState.degraded,
            detail=f"the clock here is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} the database's",
            remedy="set this machine's clock (NTP)",
        )


def _processes(rows: list[RunningProcess], *, known: bool) -> Iterator[Judgement]:
    for row in rows:
        if row.alive:
            yield Judgement(part=f"process {row.kind}", process=row.process, state=PartState.running)
        elif row.missed:
            yield Judgement(
                part=f"process {row.kind}",
                process=row.process,
                state=PartState.stopped,
                detail=f"the process has not reported for {row.silent_for.total_seconds():.0f} s",
                remedy="the process hangs or was killed: read its log and restart it",
            )
        elif row.awaited and row.silent_for < GONE:
            yield Judgement(
                part=f"process {row.kind}",
                process=row.process,
                state=PartState.waiting,
                detail=f"the process has not reported for {row.silent_for.total_seconds():.0f} s, perhaps because the database was away",
            )
    awaited = [row for row in rows if row.awaited]
    if awaited and not any(row.alive for row in rows):
        yield Judgement(
            part="processes",
            state=PartState.stopped,
            detail=f"no process has reported for {min(row.silent_for for row in awaited).total_seconds():.0f} s: the database was away"
            " until now or accepts no writes, or all processes hang or were killed",
            remedy=f"wait {SILENT.total_seconds():.0f} s and ask again: every process that runs reports as soon as the database accepts"
            " writes; if nothing changes, read the log of the database, and then check whether the processes run",
        )
    for kind in NEEDED if known else ():
        if not any(row.kind == kind and (row.alive or row.awaited) for row in rows):
            yield Judgement(
                part=f"process {kind}",
                state=PartState.stopped,
                detail=f"no {kind} process runs",
                remedy=f"start `lonja {'serve --only worker' if kind == 'worker' else kind}`",
            )


def _condition(condition: Condition, process: str) -> Judgement:
    return Judgement(
        process=process,
        part=f"{condition.kind} {condition.name}",
        state=condition.state,
        detail=condition.detail,
        remedy=condition.remedy,
        apart=condition.apart,
    )


def _outbox(outbox: Outbox) -> Judgement:
    part = f"outbox {outbox.service}"
    if outbox.oldest > OLD:
        many = f"{COUNTED:,} or more" if outbox.waiting >= COUNTED else f"{outbox.waiting:,}"
        return Judgement(
            part=part,
            state=PartState.stopped,
            detail=f"{many} events wait, the oldest for {outbox.oldest.total_seconds():.0f} s",
            remedy="the relay does not send: check that the worker runs and Kafka answers, and read the worker's log",
        )
    if outbox.set_aside:
        return Judgement(
            part=part,
            state=PartState.degraded,
            detail=f"{outbox.set_aside:,} events cannot be sent and were set aside",
            remedy=SETTLE,
        )
    return Judgement(part=part, state=PartState.running)


def _lags(figures: ServerFigures) -> Iterator[Judgement]:
    for each in figures.groups:
        if each.late:
            yield Judgement(
                part=f"consumer group {each.group}",
                state=PartState.degraded,
                detail=f"{each.lag:,} messages behind, {each.late:,} of them for too long, in {', '.join(each.late_in)}",
                remedy="check that its process runs, and read what its consumer reports here and in the log; if the consumer reports"
                " nothing, restart the process: it continues after the last message that it committed",
            )
        else:
            yield Judgement(
                part=f"consumer group {each.group}", state=PartState.running, detail=f"{each.lag:,} messages behind"
            )


def _dead_letters(figures: ServerFigures) -> Iterator[Judgement]:
    """Yield the judgement of the dead letters: the events that one service could not handle and therefore lacks."""
    if figures.unsettled:
        newest = figures.unsettled[-1]
        yield Judgement(
            part=DEAD_LETTERS,
            state=PartState.degraded,
            detail=f"{len(figures.unsettled):,} are not settled; the newest: {newest.reader} could not handle {newest.type}:"
            f" {newest.error}",
            remedy=LOOK_AT_LETTERS,
        )
    elif not figures.kafka:
        yield Judgement(part=DEAD_LETTERS, state=PartState.running, detail="none waits to be settled")
