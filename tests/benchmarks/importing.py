"""`lonja import` on real awards and releases: alone, and into a whole market that has live events at the same time.

Alone it reads and interprets records, stores each original and publishes events, 500 records in a durable transaction;
the limit does only the necessary part: it parses the CSV and writes the cells by COPY, with the same number of rows in
a transaction. In the market the time is measured until the last service has the last award: for an import alone, and
for another during which offers of this market are published.
"""

import asyncio
import csv
import gzip
import io
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import uvloop

from events.catalogue import OfferPublished
from events.values import Category, Place
from infra import migrations
from infra.clock import system_clock
from infra.config import Config
from infra.database import Database
from infra.embedded import Servers
from infra.ids import new_id
from infra.runtime import load, prepare, run_streams, run_worker, standing
from infra.service import Resources
from infra.tasks import background
from services.transparency.intake import BATCH, mapping_for, read_table, take_in
from services.transparency.ocds.candidates import Reading
from services.transparency.ocds.tables import shipped_mappings
from services.transparency.ocds.tolerance import NotUnderstood
from services.transparency.reading import Readers
from services.transparency.store import NAME, Row
from tests.benchmarks import Figure
from tests.benchmarks.site import process_of
from tests.market import empty_database, forget_topics

DATA = Path(os.environ.get("LONJA_DATA", "../shared/data"))
AWARDS = DATA / "canada_awards_2009_2013.csv.gz"
COPIES = 4
"""The number of copies of the releases, and of the awards for each import into a whole market. Each copy has its own
ids."""
BETWEEN_OFFERS, BETWEEN_LOOKS = 0.1, 0.02
"""Seconds between two published offers."""
PAPER = Category(code="30197630-1", title="Printing paper")


async def measure(servers: Servers) -> list[Figure]:
    """Records per second into an empty database, and once more when all are known; then into a whole market."""
    url = await empty_database(servers, "lonja_bench")
    raw = await _rate(_copied(url))
    database = await Database.connect(url, system_clock)
    try:
        await migrations.upgrade(database.engine, NAME, Row.metadata)
        first, again = await _rate(_imported(database, _awards())), await _rate(_imported(database, _awards()))
        with TemporaryDirectory() as folder, Readers() as readers:
            path = Path(folder) / "releases.jsonl"
            _write_releases(path)
            releases = await _rate(_imported(database, readers.read(path, NotUnderstood())))
    finally:
        await database.close()
    return [
        Figure(name="rows read and copied", value=raw, unit="rows/s"),
        Figure(name="awards imported", value=first, unit="rows/s", limit=raw, ratio=first / raw, aim="3,000 rows/s"),
        Figure(name="awards imported again", value=again, unit="rows/s", limit=raw, ratio=again / raw),
        Figure(name="OCDS releases imported", value=releases, unit="releases/s", aim="1,000 releases/s"),
        *await into_a_market(servers, raw),
    ]


async def _rate(work: Awaitable[int]) -> float:
    began = time.perf_counter()
    return await work / (time.perf_counter() - began)


async def _copied(url: str) -> int:
    rows = list(csv.reader(io.StringIO(gzip.decompress(AWARDS.read_bytes()).decode())))
    header, records = rows[0], rows[1:]
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"create table raw ({', '.join(f'c{number} text' for number in range(len(header)))})")
        for start in range(0, len(records), BATCH):
            await connection.copy_records_to_table("raw", records=records[start : start + BATCH])
    finally:
        await connection.close()
    return len(records)


def _awards() -> Reading:
    return read_table(AWARDS, mapping_for(AWARDS, shipped_mappings("awards")), NotUnderstood())


def _write_releases(path: Path) -> None:
    """Write all releases of the folder in several copies, each with its own process ids."""
    with path.open("wb") as stream:
        for copy in range(COPIES):
            for published in sorted((DATA / "ocds").glob("*.jsonl.gz")):
                whole = gzip.decompress(published.read_bytes())
                stream.write(re.sub(rb'("ocid": ?")', rb"\g<1>ocds-copy%02d-" % copy, whole))


async def _imported(database: Database, reading: Reading) -> int:
    return (await take_in(database, reading, lambda counts: None)).records


# In a market


async def into_a_market(servers: Servers, raw: float) -> list[Figure]:
    config = Config.load({"LONJA_HOME": str(servers.home), "LONJA_POLICY": "demo"})
    url = await empty_database(servers, "lonja_bench")
    config = replace(config, database_url=url, kafka_bootstrap=servers.kafka_bootstrap)
    await forget_topics(servers.kafka_bootstrap)
    await prepare(config)
    async with standing(config) as resources, process_of(_work, config), process_of(_stream, config):
        await _offers_arrive(resources)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "awards.csv"
            _write_copies(path, 0)
            alone = await _rate(_into(resources, path))
            _write_copies(path, COPIES)
            async with _offering(resources) as offers:
                beside = await _rate(_into(resources, path))
            late = offers.p99()
    name = "awards from file to the last service"
    return [
        Figure(name=name, value=alone, unit="rows/s", limit=raw, ratio=alone / raw, aim="3,000 rows/s"),
        Figure(name=f"{name}, beside live offers", value=beside, unit="rows/s", limit=raw, ratio=beside / raw),
        *(
            Figure(name=f"offer to {service} during an import, p99", value=each, unit="ms", aim="1,000 ms")
            for service, each in late.items()
        ),
    ]


def _work(config: Config) -> None:
    uvloop.run(run_worker(config))


def _stream(config: Config) -> None:
    asyncio.run(run_streams(config))


def _write_copies(path: Path, first: int) -> None:
    """``first``: the number of the first copy."""
    header, *lines = gzip.decompress(AWARDS.read_bytes()).decode().splitlines()
    with path.open("w", encoding="utf-8") as stream:
        stream.write(header + "\n")
        for copy in range(first, first + COPIES):
            stream.writelines(f"{copy}{line}\n" for line in lines)


async def _into(resources: Resources, path: Path) -> int:
    """Returns how many rows every service has."""
    await _import(path, resources.database.url)
    await _everywhere(resources)
    return COPIES * (len(gzip.decompress(AWARDS.read_bytes()).splitlines()) - 1)


async def _import(path: Path, url: str) -> None:
    """Import as a person does: in a separate process."""
    lonja = Path(sys.executable).with_name("lonja")
    process = await asyncio.create_subprocess_exec(
        *(lonja, "import", "awards", path, "--json"),
        env={**os.environ, "LONJA_DATABASE_URL": url},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise AssertionError(f"the import failed: {said.decode()[-500:]}")


async def _everywhere(resources: Resources) -> None:
    """Wait until each service and view has claimed every import event that it reacts to."""
    rows = await resources.database.pool.fetch(
        "select distinct envelope::json->>'type' as type from transparency.outbox where topic = 'lonja.imports'"
    )
    told = {row["type"] for row in rows}
    for service in load(resources):
        for prefix, reactions in [("", service.reactions), *((f"{one.name}/", one.reactions) for one in service.views)]:
            wanted = [kind.TYPE for kind in reactions if kind.TYPE in told]
            missing = (
                "select exists (select from (select event_id from transparency.outbox where topic = 'lonja.imports' and"
                " envelope::json->>'type' = any($2::text[]) order by position desc limit $3) o where not exists"
                f" (select from {service.name}.inbox i where i.event_id = $1 || o.event_id))"
            )
            for newest in (200, None):  # checking all of them takes time and would slow down what is measured
                while wanted and await resources.database.pool.fetchval(missing, prefix, wanted, newest):
                    await asyncio.sleep(0.5)


# Offers meanwhile


LISTENERS = ("purchases", "observatory", "recommender")


async def _offer(resources: Resources) -> str:
    today = system_clock().date()
    async with resources.database.transaction("catalogue") as tx:
        return tx.emit(
            OfferPublished(
                sku_id=new_id(),
                offer_id=new_id(),
                supplier_id=new_id(),
                supplier_name="S",
                category=PAPER,
                price=Decimal(100),
                currency="RUB",
                vat_rate=Decimal(20),
                vat_included=True,
                regions=("RU",),
                delivery_days=3,
                stock=Place(country="RU"),
                min_quantity=Decimal(1),
                max_quantity=Decimal(100),
                valid_from=today,
                valid_until=today + timedelta(days=30),
            )
        )


async def _offers_arrive(resources: Resources) -> None:
    """Wait until the processes are at work."""
    await _offer(resources)
    for service in LISTENERS:
        while not await resources.database.pool.fetchval(f"select exists (select from {service}.inbox)"):
            await asyncio.sleep(0.2)


class Offers:
    """Offers that are published one after the other, with the time at which each took effect. All open ones are checked
    in one query at a time, so that the checks do not slow down the market."""

    def __init__(self) -> None:
        self.published: dict[str, float] = {}
        """The time of publication, by event id."""
        self.late: dict[str, dict[str, float]] = {service: {} for service in LISTENERS}
        """Milliseconds until the reaction was committed, by service and event id, as seen by the next check."""

    async def publish(self, resources: Resources) -> None:
        while True:
            began = time.perf_counter()
            self.published[await _offer(resources)] = began
            await asyncio.sleep(BETWEEN_OFFERS)

    async def watch(self, resources: Resources) -> None:
        query = " union all ".join(
            f"select '{each}', event_id from {each}.inbox where event_id = any(${number}::text[])"
            for number, each in enumerate(LISTENERS, 1)
        )
        while True:
            await asyncio.sleep(BETWEEN_LOOKS)
            awaited = [[one for one in self.published if one not in self.late[each]] for each in LISTENERS]
            if any(awaited):
                for service, event_id in await resources.database.pool.fetch(query, *awaited):
                    self.late[service][event_id] = (time.perf_counter() - self.published[event_id]) * 1000

    async def arrived(self) -> None:
        while any(len(late) < len(self.published) for late in self.late.values()):
            await asyncio.sleep(BETWEEN_LOOKS)

    def p99(self) -> dict[str, float]:
        """The 99th percentile, by service."""
        return {service: sorted(late.values())[int(len(late) * 0.99)] for service, late in self.late.items()}


@asynccontextmanager
async def _offering(resources: Resources) -> AsyncIterator[Offers]:
    """Publish offers during the block; at its end wait until all have arrived."""
    offers = Offers()
    async with background(offers.watch(resources), name="watch"):
        async with background(offers.publish(resources), name="publish"):
            yield offers
        await offers.arrived()
