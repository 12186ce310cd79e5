"""Runs Faust's Kafka consumer in the event loop of its app. By default Faust runs it in a thread with another loop.

With two loops, each waits for the other, and the app waits for the end of the thread while its own loop does nothing: a
reader that fails during a rebalance hangs, and with it the whole process. In one loop every wait can be cancelled, and
a view needs no thread.
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
    """The part that Faust would run in a thread, as an ordinary service."""

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
        """Leave the group; if that takes too long, close the connection."""
        if self._consumer is None:
            return
        await leave(self._consumer)
        with suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(HANG_UP_SECONDS):
                await self._consumer._coordinator._stop_heartbeat_task()
