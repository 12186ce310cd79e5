"""Checks for commands whether a server answers. A frozen server accepts connections, and a client would wait for it
without a message."""

import asyncio

import asyncpg

from infra.broker import access, where
from infra.running import Frozen, NotRunning

PATIENCE = 5.0
"""Seconds to wait for an answer."""


async def check_kafka(bootstrap: str) -> None:
    """Raise NotRunning, and Frozen."""
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaConnectionError

    admin = AIOKafkaAdminClient(**access(bootstrap))
    try:
        async with asyncio.timeout(PATIENCE):
            await admin.start()
            await admin.list_topics()
    except TimeoutError as failure:
        raise Frozen(f"Kafka at {where(bootstrap)}") from failure
    except KafkaConnectionError as failure:
        raise NotRunning(f"Kafka at {where(bootstrap)}") from failure
    finally:
        await asyncio.wait({asyncio.create_task(admin.close())}, timeout=PATIENCE)


async def check_database(url: str) -> str:
    """Return the server's version. Raise NotRunning, Frozen, and PostgresError if it refuses the login."""
    place = f"PostgreSQL at {url.rpartition('@')[2]}"
    try:
        connection = await asyncpg.connect(url, timeout=PATIENCE, command_timeout=PATIENCE)
        version = str(await connection.fetchval("show server_version"))
        await connection.close(timeout=PATIENCE)
    except TimeoutError as failure:
        raise Frozen(place) from failure
    except (OSError, asyncpg.CannotConnectNowError) as failure:
        raise NotRunning(place) from failure
    return version
