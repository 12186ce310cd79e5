"""Heartbeats: a process that the supervisor started shows once a second that its event loop runs.

A heartbeat is a byte in a pipe that the supervisor reads. It needs no disk, which may be full, and no clock, which may
jump. If the supervisor was suspended, it finds the bytes afterwards.
"""

import asyncio
import os
from contextlib import suppress

VARIABLE = "LONJA_HEARTBEAT"
"""The variable with the pipe's descriptor in the environment of a supervised process."""
EVERY_SECONDS = 1.0


async def beat() -> None:
    """Write heartbeats until cancelled. Return at once in a process without a supervisor."""
    descriptor = os.environ.pop(VARIABLE, None)  # a child of this process has no such pipe
    if descriptor is None:
        return
    while True:
        # the pipe is full while the supervisor is suspended, and broken when the supervisor is dead
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(int(descriptor), b".")
        await asyncio.sleep(EVERY_SECONDS)
