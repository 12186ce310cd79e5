"""The state of the parts of this process: which run, which wait, which have failed, and what a person should do.

Each consumer, relay, timer, lane and view reports here; health routes, metrics and ``lonja doctor`` read it.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum

import msgspec

from infra.clock import Clock, system_clock


class PartState(StrEnum):
    running = "running"
    waiting = "waiting"
    """It waits for something that is away (database, Kafka) and continues by itself."""
    degraded = "degraded"
    """It continues, but something was set aside and a person should look at it."""
    stopped = "stopped"
    """It stopped and does not continue by itself."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """``kind`` is one of consumer, relay, timer, lane, view, task (work beside the others), server, rows (of one kind, which cannot be
    read), part (a process, as its supervisor sees it).

    ``since``: when this state began, UTC.
    """

    kind: str
    name: str
    state: PartState
    since: datetime
    detail: str = ""
    remedy: str = ""
    apart: bool = False
    """The fault affects only itself, such as one card or row that was set aside: people should look, but the process is
    ready."""


class Health:
    """The conditions of one process, by kind and name."""

    def __init__(self, clock: Clock = system_clock) -> None:
        self._clock = clock
        self._conditions: dict[tuple[str, str], Condition] = {}

    def report(
        self, kind: str, name: str, state: PartState, detail: str = "", remedy: str = "", *, apart: bool = False
    ) -> None:
        """Set the state of a part. It is cheap enough to be called for every batch: nothing changes while the state and
        its reason stay the same."""
        before = self._conditions.get((kind, name))
        if before is not None and (before.state, before.detail, before.remedy) == (state, detail, remedy):
            return
        since = before.since if before is not None and before.state is state else self._clock()
        self._conditions[kind, name] = Condition(
            kind=kind, name=name, state=state, since=since, detail=detail, remedy=remedy, apart=apart
        )

    def __iter__(self) -> Iterator[Condition]:
        return iter(list(self._conditions.values()))

    @property
    def ready(self) -> bool:
        return all(
            each.apart or each.state in (PartState.running, PartState.waiting) for each in self._conditions.values()
        )


HEALTH = Health()
"""The conditions of this process."""
