"""Bytes of database that one imported row leaves in all services together, once every service has it: at first, and at rest, when
what is kept for a time only is gone (docs/operating.md).

Awards are contracts without prices, prices are contracts whose lines the observatory judges. ``python -m tests.benchmarks.growing``
shows what each table keeps at rest, the largest first.
"""

import asyncio
import multiprocessing
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from infra import pruning
from infra.config import Config, Keep
from infra.database import Database
from infra.embedded import Servers
from infra.runtime import load, prepare, run_streams, run_worker, standing
from infra.service import Service
from services.transparency.intake import mapping_for, read_table, take_in
from services.transparency.ocds.tables import shipped_mappings
from services.transparency.ocds.tolerance import NotUnderstood
from tests.benchmarks import Figure
from tests.market import empty_database, forget_topics

DATA = Path(os.environ.get("LONJA_DATA", "../shared/data"))
FILES = (("awards", "canada_awards_2009_2013.csv.gz"), ("prices", "brazil_medicine_prices_2025_a.csv"))
SIZES = """
select format('%s.%s', schemaname, relname) as name, pg_total_relation_size(relid) as bytes
  from pg_stat_user_tables order by 2 desc
"""
WRITTEN = """
select sum(n_tup_ins + n_tup_upd) from pg_stat_user_tables where relname in ('inbox', 'outbox', 'snapshots')
"""
RESTING = "select exists (select from observatory.items where due_at < now() + interval '1 hour')"
"""Items with prices that are judged after a rest, not those that are looked at once a day."""
QUIET = 15
"""Seconds without a change after which everybody has everything."""


async def measure(servers: Servers) -> list[Figure]:
    return await _grown(servers, show=False)


async def _grown(servers: Servers, *, show: bool) -> list[Figure]:
    url = await empty_database(servers, "lonja_bench")
    config = Config.load(
        {"LONJA_HOME": str(servers.home), "LONJA_DATABASE_URL": url, "LONJA_KAFKA_BOOTSTRAP": servers.kafka_bootstrap}
    )
    await forget_topics(servers.kafka_bootstrap)
    await prepare(config)
    figures = []
    async with standing(config) as ground, _process(run_worker, config), _process(run_streams, config):
        db = ground.database.pool
        for kind, file in FILES:
            before = await _sizes(db)
            reading = read_table(DATA / file, mapping_for(DATA / file, shipped_mappings(kind)), NotUnderstood())
            counts = await take_in(ground.database, reading, lambda counts: None)
            await _everybody_has_it(db)
            whole = await _sizes(db)
            for service in load(ground):
                await _prune(ground.database, service)
            after = await _sizes(db)
            for name, sizes in ((f"an imported row of {kind}", whole), (f"an imported row of {kind} at rest", after)):
                size = (sum(sizes.values()) - sum(before.values())) / counts.imported
                aim = "at most 3,000" if sizes is after else ""
                figures.append(Figure(name=name, value=size, unit="bytes of database", aim=aim))
            if show:
                grown = [(name, (size - before[name]) / counts.imported) for name, size in after.items()]
                _show(figures[-2:], grown)
    return figures


async def _prune(database: Database, service: Service) -> None:
    """As if all days were over."""
    timer = pruning.timer(service, Keep(published_days=0, claims_days=0, answers_days=0))
    done = service.metadata is not None
    while done:
        async with database.transaction(service.name) as tx:
            done = bool(await timer.action(tx))


async def _everybody_has_it(db: asyncpg.Pool) -> None:
    """Wait until nobody writes, sends or takes in any event, and no price is judged any more."""
    last, quiet = -1, 0
    while quiet < QUIET:
        await asyncio.sleep(1)
        rows = await db.fetchval(WRITTEN)
        quiet = quiet + 1 if rows == last and not await db.fetchval(RESTING) else 0
        last = rows


async def _sizes(db: asyncpg.Pool) -> dict[str, int]:
    """What the tables take after a full vacuum, by name."""
    names = [row["name"] for row in await db.fetch(SIZES)]
    for name in names:
        await db.execute(f"vacuum (full, analyze) {name}")
    return {row["name"]: row["bytes"] for row in await db.fetch(SIZES)}


def _show(figures: Sequence[Figure], grown: Sequence[tuple[str, float]]) -> None:
    for figure in figures:
        sys.stdout.write(f"{figure.name}: {figure.value:,.0f} bytes\n")
    for name, size in sorted(grown, key=lambda one: -one[1]):
        if size > 10:
            sys.stdout.write(f"  {size:8,.0f}  {name}\n")
    sys.stdout.flush()


@asynccontextmanager
async def _process(target: Callable[[Config, Sequence[str]], Any], config: Config) -> AsyncIterator[None]:
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(target, config), daemon=True)
    process.start()
    try:
        yield
        if process.exitcode is not None:
            raise AssertionError(f"{target.__name__} ended by itself with {process.exitcode}")
    finally:
        process.terminate()
        await asyncio.to_thread(process.join, 10)


def _run(target: Callable[[Config, Sequence[str]], Any], config: Config) -> None:
    uvloop.run(target(config, ()))


if __name__ == "__main__":
    from tests.servers import started

    running = started(Path(".lonja-bench"))
    try:
        asyncio.run(_grown(running, show=True))
    finally:
        running.stop()
