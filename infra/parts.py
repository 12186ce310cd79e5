"""The parts of a worker, each by itself: one that fails is begun again or stands still, and its neighbours go on."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from infra import away
from infra.away import in_short, is_away
from infra.health import HEALTH, State
from infra.held import ConsumerStopped
from infra.resuming import remedy
from infra.tasks import stop_if_cancelled

log = logging.getLogger(__name__)
SHORTEST, LONGEST = 0.5, 60.0
"""Seconds before a part that failed is begun again; each failure doubles them."""
LONGEST_AWAY = 4.0
"""If what it needs is away: it is there again any moment, and to try costs nobody anything."""


class StrayCancellation(Exception):
    """Something that the part waited for was cancelled, and not the part itself."""


async def supervise(
    kind: str, name: str, run: Callable[[], Awaitable[None]], resumed: Callable[[], Awaitable[object]]
) -> None:
    """Run one part until cancelled, whatever becomes of it. Its state stands in :data:`infra.health.HEALTH` under ``kind`` and
    ``name``; where it runs well it reports so itself. ``resumed`` returns when a part that stopped may go on."""
    HEALTH.report(kind, name, State.running)
    pause = SHORTEST
    while True:
        began = asyncio.get_running_loop().time()
        longest = LONGEST
        try:
            await _whole(run)
            why = f"the {kind} of {name} ended by itself"
        except ConsumerStopped as stopped:
            log.critical("%s %s stopped: %s", name, kind, stopped)
            HEALTH.report(kind, name, State.stopped, str(stopped), remedy(name))
            await resumed()
            log.warning("%s %s goes on: a person said so", name, kind)
            HEALTH.report(kind, name, State.running)
            continue
        except Exception as error:
            stop_if_cancelled()
            why = in_short(error)
            log.log(
                logging.WARNING if is_away(error) else logging.ERROR,
                "%s %s failed: %s",
                name,
                kind,
                why,
                exc_info=error,
            )
            state = State.waiting if is_away(error) else State.degraded
            longest = LONGEST_AWAY if is_away(error) else LONGEST
            do = (
                away.remedy(error, f"the {kind}")
                if is_away(error)
                else "read the log of this process; it is tried again"
            )
            HEALTH.report(kind, name, state, why, do)
        if asyncio.get_running_loop().time() - began > LONGEST:
            pause = SHORTEST
        await asyncio.sleep(min(pause, longest))
        pause = min(pause * 2, longest)


async def _whole(run: Callable[[], Awaitable[None]]) -> None:
    """Libraries cancel tasks of their own, and may wait for one of them. What then comes out must not end the part without a word."""
    try:
        await run()
    except asyncio.CancelledError as stray:
        this = asyncio.current_task()
        if this is not None and this.cancelling():
            raise
        raise StrayCancellation("something that it waited for was cancelled") from stray
