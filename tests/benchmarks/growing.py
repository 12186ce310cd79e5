"""Bytes that one imported row takes in the database, in all services together: at first, and at rest, when rows that
are kept only for a time are deleted (docs/operating.md).

Awards are contracts without prices; prices are contracts whose lines the observatory judges. The first rows of a file
also bring organisations, items, months and new pages of tables. Therefore more prices of the same items follow, which
show what a further row costs. ``python -m tests.benchmarks.growing`` shows the size of each table at rest, largest
first, with each of its indexes; with the word ``prices`` only for prices.
"""

import asyncio
import multiprocessing
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
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
from infra.service import Resources, Service
from services.transparency.intake import mapping_for, read_table, take_in
from services.transparency.ocds.tables import shipped_mappings
from services.transparency.ocds.tolerance import NotUnderstood
from tests.benchmarks import Figure
from tests.benchmarks.many_prices import write_many_prices
from tests.market import empty_database, forget_topics

DATA = Path(os.environ.get("LONJA_DATA", "../shared/data"))
AWARDS, PRICES = DATA / "canada_awards_2009_2013.csv.gz", DATA / "brazil_medicine_prices_2025_a.csv"
FURTHER = 8_000
"""The number of further rows of prices after those of the file."""
SIZES = """
select format('%s.%s', schemaname, relname) as name, pg_total_relation_size(relid) as bytes
  from pg_stat_user_tables order by 2 desc
"""
PARTS = """
select format('%s.%s', t.schemaname, t.relname) as name, coalesce(i.indexrelname, 'without indexes') as part,
       case when i.indexrelid is null then pg_table_size(t.relid) else pg_relation_size(i.indexrelid) end as bytes
  from pg_stat_user_tables t
  cross join lateral (select null::oid as indexrelid, null::name as indexrelname union all
                      select indexrelid, indexrelname from pg_stat_user_indexes i where i.relid = t.relid) as i
"""
WRITTEN = """
select sum(n_tup_ins + n_tup_upd) from pg_stat_user_tables where relname in ('inbox', 'outbox', 'snapshots')
"""
RESTING = "select exists (select from observatory.items where due_at < now() + interval '1 hour')"
"""SQL: items with prices that are judged after a rest, without those that are judged again once a day."""
QUIET = 15
"""After this many seconds without a change all services have everything."""


async def measure(servers: Servers) -> list[Figure]:
    return await _grown(servers, ("awards", "prices"), show=False)


async def _grown(servers: Servers, kinds: Sequence[str], *, show: bool) -> list[Figure]:
    url = await empty_database(servers, "lonja_bench")
    config = Config.load(
        {"LONJA_HOME": str(servers.home), "LONJA_DATABASE_URL": url, "LONJA_KAFKA_BOOTSTRAP": servers.kafka_bootstrap}
    )
    await forget_topics(servers.kafka_bootstrap)
    await prepare(config)
    figures: list[Figure] = []
    async with standing(config) as resources, _process(run_worker, config), _process(run_streams, config):
        with tempfile.TemporaryDirectory() as folder:
            further = Path(folder) / PRICES.name
            write_many_prices(PRICES, FURTHER, further)
            for kind, name, file in (
                ("awards", "an imported row of awards", AWARDS),
                ("prices", "an imported row of prices", PRICES),
                ("prices", "a further row of prices", further),
            ):
                if kind in kinds:
                    figures += await _imported(resources, kind, name, file, show=show)
    return figures


async def _imported(resources: Resources, kind: str, name: str, file: Path, *, show: bool) -> list[Figure]:
    """The bytes that each row of this file adds."""
    db = resources.database.pool
    before, parts = await _sizes(db), await _parts(db)
    reading = read_table(file, mapping_for(file, shipped_mappings(kind)), NotUnderstood())
    counts = await take_in(resources.database, reading, lambda counts: None)
    await _everybody_has_it(db)
    whole = await _sizes(db)
    for service in load(resources):
        await _prune(resources.database, service)
    after = await _sizes(db)
    figures = [
        Figure(name=said, value=_grown_by(before, sizes) / counts.imported, unit="bytes of database", aim=aim)
        for said, sizes, aim in ((name, whole, ""), (f"{name} at rest", after, "at most 3,000"))
    ]
    if show:
        now = await _parts(db)
        by_table = {table: (size - before[table]) / counts.imported for table, size in after.items()}
        by_part = {key: (size - parts.get(key, 0)) / counts.imported for key, size in now.items()}
        _show(figures, by_table, by_part)
    return figures


def _grown_by(before: Mapping[str, int], after: Mapping[str, int]) -> int:
    return sum(after.values()) - sum(before.values())


async def _prune(database: Database, service: Service) -> None:
    """Prune everything, as if all periods of keeping were over."""
    timer = pruning.timer(service, Keep(published_days=0, claims_days=0, answers_days=0))
    done = service.metadata is not None
    while done:
        async with database.transaction(service.name) as tx:
            done = bool(await timer.action(tx))


async def _everybody_has_it(db: asyncpg.Pool) -> None:
    """Wait until no event is written, sent or taken in, and no price is judged."""
    last, quiet = -1, 0
    while quiet < QUIET:
        await asyncio.sleep(1)
        rows = await db.fetchval(WRITTEN)
        quiet = quiet + 1 if rows == last and not await db.fetchval(RESTING) else 0
        last = rows


async def _sizes(db: asyncpg.Pool) -> dict[str, int]:
    """The sizes of the tables after a full vacuum, by name."""
    names = [row["name"] for row in await db.fetch(SIZES)]
    for name in names:
        await db.execute(f"vacuum (full, analyze) {name}")
    return {row["name"]: row["bytes"] for row in await db.fetch(SIZES)}


async def _parts(db: asyncpg.Pool) -> dict[tuple[str, str], int]:
    return {(row["name"], row["part"]): row["bytes"] for row in await db.fetch(PARTS)}


def _show(figures: Sequence[Figure], by_table: Mapping[str, float], by_part: Mapping[tuple[str, str], float]) -> None:
    for figure in figures:
        sys.stdout.write(f"{figure.name}: {figure.value:,.0f} bytes\n")
    for table, size in sorted(by_table.items(), key=lambda one: -one[1]):
        if size <= 10:
            continue
        sys.stdout.write(f"  {size:8,.0f}  {table}\n")
        for (name, part), share in sorted(by_part.items(), key=lambda one: -one[1]):
            if name == table and share > 10:
                sys.stdout.write(f"            {share:8,.0f}  {part}\n")
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
        asyncio.run(_grown(running, sys.argv[1:] or ("awards", "prices"), show=True))
    finally:
        running.stop()
