"""Faust's reader of Kafka in the event loop of its app. Faust alone gives it a thread with a loop of its own.

Those two loops wait for each other, and the app waits for the end of the thread with its own loop standing still: a reader that fails
in the middle of a rebalance hangs, and its whole process with it. In one loop every wait can be given up, and no view costs a thread.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka as driver
from mode import Service
from mode.utils.futures import maybe_async

from infra.consumer import leave

HANG_UP_SECONDS = 1.0


class InOneLoop(driver.AIOKafkaConsumerThread):
    """What Faust runs in a thread, as a service like any other."""

    wait_for_shutdown = False

    def __init__(self, consumer: driver.Consumer, **more: Any) -> None:
        super().__init__(consumer, thread_loop=asyncio.get_running_loop(), **more)

    start = Service.start
    maybe_start = Service.maybe_start
    stop = Service.stop
    crash = Service.crash  # type: ignore[assignment]
    _stopped_set = Service._stopped_set
    _stop_children = Service._stop_children
    _stop_futures = Service._stop_futures
    _stop_exit_stacks = Service._stop_exit_stacks

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **more: Any) -> Any:
        return await maybe_async(fun(*args, **more))

    async def on_partitions_revoked(self, revoked: Any) -> None:
        await self.consumer.on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: Any, generation_id: int = 0) -> None:
        await self.consumer.on_partitions_assigned(assigned, generation_id)

    async def on_stop(self) -> None:
        """Leave the group; if that does not end, hang up."""
        if self._consumer is None:
            return
        await leave(self._consumer)
        with suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(HANG_UP_SECONDS):
                await self._consumer._coordinator._stop_heartbeat_task()
