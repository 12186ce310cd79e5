"""Faust views on the real broker: two workers, one leaves, one is killed, and the figures end right; a rebuild gives them again."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from infra import streams
from infra.clock import system_clock
from infra.config import Config
from infra.database import Database
from infra.embedded import Servers
from infra.ids import new_id
from infra.live import Live
from infra.outbox import Relay, producer
from infra.service import Ground
from infra.tokens import Tokens
from tests.infra import counting
from tests.market import empty_database

EVENTS = 3000


@pytest.fixture
async def ground(servers: Servers, topics: None) -> AsyncIterator[Ground]:
    url = await empty_database(servers, "lonja_counting")
    config = Config.load(
        {"LONJA_HOME": str(servers.home), "LONJA_DATABASE_URL": url, "LONJA_KAFKA_BOOTSTRAP": servers.kafka_bootstrap}
    )
    database = await Database.connect(url, system_clock)
    async with database.engine.begin() as connection:
        await connection.execute(text("create schema counting"))
        await connection.run_sync(counting.Row.metadata.create_all)
    yield Ground(config, database, system_clock, Live(url), Tokens.load(config.secrets_dir))
    await database.close()


async def worker(ground: Ground) -> asyncio.subprocess.Process:
    environment = {**os.environ, **ground.config.environment(), "PYTHONPATH": str(Path(__file__).parents[2])}
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.infra.counting", env=environment)


async def counted(ground: Ground) -> dict[str, int]:
    return {
        row["name"]: row["heard"]
        for row in await ground.database.pool.fetch("select name, heard from counting.figures")
    }


async def test_views_survive_workers_that_leave_and_die(ground: Ground, servers: Servers) -> None:
    run = new_id()
    expected = {f"{run}/{number}": EVENTS // 10 for number in range(10)}
    kafka = producer(servers.kafka_bootstrap)
    await kafka.start()
    relay = asyncio.create_task(Relay("counting", ground.config.database_url or "", kafka).run())
    workers = [await worker(ground), await worker(ground)]
    try:
        for batch in range(10):
            async with ground.database.transaction("counting") as tx:
                for name in expected:
                    for _ in range(EVENTS // 100):
                        tx.emit(counting.heard(name))
            await asyncio.sleep(0.3)
            if batch == 3:
                workers[0].send_signal(signal.SIGTERM)
                await workers[0].wait()
                workers.append(await worker(ground))
            if batch == 7:
                workers[1].kill()
        async with asyncio.timeout(90):
            while {name: count for name, count in (await counted(ground)).items() if name in expected} != expected:
                await asyncio.sleep(0.3)
        rebuilt = await streams.rebuild(ground, servers.kafka_bootstrap, kafka, counting.SERVICE, counting.VIEW)
        assert rebuilt >= EVENTS
        assert {name: count for name, count in (await counted(ground)).items() if name in expected} == expected
    finally:
        relay.cancel()
        for process in workers:
            if process.returncode is None:
                process.kill()
            await process.wait()
        await kafka.stop()
