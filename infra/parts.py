"""Supervises the parts of a worker separately: a part that fails is started again or stays stopped, and the others
continue."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from infra import away
from infra.away import in_short, is_away
from infra.health import HEALTH, PartState
from infra.held import ConsumerStopped
from infra.resuming import remedy
from infra.tasks import stop_if_cancelled

log = logging.getLogger(__name__)
SHORTEST, LONGEST = 0.5, 60.0
"""Seconds before a part that failed is started again; each failure doubles them."""
LONGEST_AWAY = 4.0
"""The longest delay if a server that it needs is away: the server may be back at any moment, and a try costs little."""


class StrayCancellation(Exception):
    """Something that the part waited for was cancelled, but not the part itself."""


async def supervise(
    kind: str, name: str, run: Callable[[], Awaitable[None]], resumed: Callable[[], Awaitable[object]]
) -> None:
    """Run one part until cancelled, and start it again if it fails. Its state is in :data:`infra.health.HEALTH` under
    ``kind`` and ``name``; a part that runs well reports this itself. ``resumed`` returns when a stopped part may
    continue."""
    HEALTH.report(kind, name, PartState.running)
    pause = SHORTEST
    while True:
        began = asyncio.get_running_loop().time()
        longest = LONGEST
        try:
            await _run_whole(run)
            why = f"the {kind} of {name} ended by itself"
        except ConsumerStopped as stopped:
            log.critical("%s %s stopped: %s", name, kind, stopped)
            HEALTH.report(kind, name, PartState.stopped, str(stopped), remedy(name))
            await resumed()
            log.warning("%s %s continues: a person said so", name, kind)
            HEALTH.report(kind, name, PartState.running)
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
            state = PartState.waiting if is_away(error) else PartState.degraded
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


async def _run_whole(run: Callable[[], Awaitable[None]]) -> None:
    """Run the part. Libraries cancel their own tasks and may wait for one of them: such a cancellation must not
    silently end the part."""
    try:
        await run()
    except asyncio.CancelledError as stray:
        this = asyncio.current_task()
        if this is not None and this.cancelling():
            raise
        raise StrayCancellation("something that it waited for was cancelled") from stray
