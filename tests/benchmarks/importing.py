"""The speed of `lonja import` on real awards and releases: without a market, and into a running market.

Without a market: the import reads and interprets records, stores each original and publishes events, 500 records in
each durable transaction. It is compared with a limit, which only parses the CSV and writes the cells by COPY, with the
same number of rows in a transaction.

Into a running market: the time is measured until each service has handled the last award. This is done twice: without
other events, and while offers of this market are published.
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
"""The number of copies of the releases, and of the awards in each import into a running market. Each copy has its own
ids."""
BETWEEN_OFFERS = 0.1
"""Seconds between two published offers."""
BETWEEN_CHECKS = 0.02
"""Seconds between two checks which offers have arrived."""
PAPER = Category(code="30197630-1", title="Printing paper")


async def measure(servers: Servers) -> list[Figure]:
    """Measure the records per second of an import into an empty database, of the same import once more, when all records
    are known, and of imports into a running market."""
    url = await empty_database(servers, "lonja_bench")
    raw = await _rate(_copy_rows(url))
    database = await Database.connect(url, system_clock)
    try:
        await migrations.upgrade(database.engine, NAME, Row.metadata)
        first = await _rate(_import_reading(database, _awards()))
        again = await _rate(_import_reading(database, _awards()))
        with TemporaryDirectory() as folder, Readers() as readers:
            path = Path(folder) / "releases.jsonl"
            _write_releases(path)
            releases = await _rate(_import_reading(database, readers.read(path, NotUnderstood())))
    finally:
        await database.close()
    return [
        Figure(name="rows read and copied", value=raw, unit="rows/s"),
        Figure(name="awards imported", value=first, unit="rows/s", limit=raw, ratio=first / raw, aim="3,000 rows/s"),
        Figure(name="awards imported again", value=again, unit="rows/s", limit=raw, ratio=again / raw),
        Figure(name="OCDS releases imported", value=releases, unit="releases/s", aim="1,000 releases/s"),
        *await import_into_a_market(servers, raw),
    ]


async def _rate(work: Awaitable[int]) -> float:
    began = time.perf_counter()
    return await work / (time.perf_counter() - began)


async def _copy_rows(url: str) -> int:
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
    """Write COPIES copies of all releases in the folder, each with its own process ids."""
    with path.open("wb") as stream:
        for copy in range(COPIES):
            for published in sorted((DATA / "ocds").glob("*.jsonl.gz")):
                whole = gzip.decompress(published.read_bytes())
                stream.write(re.sub(rb'("ocid": ?")', rb"\g<1>ocds-copy%02d-" % copy, whole))


async def _import_reading(database: Database, reading: Reading) -> int:
    return (await take_in(database, reading, lambda counts: None)).records


# Into a running market


async def import_into_a_market(servers: Servers, raw: float) -> list[Figure]:
    config = Config.load({"LONJA_HOME": str(servers.home), "LONJA_POLICY": "demo"})
    url = await empty_database(servers, "lonja_bench")
    config = replace(config, database_url=url, kafka_bootstrap=servers.kafka_bootstrap)
    await forget_topics(servers.kafka_bootstrap)
    await prepare(config)
    async with standing(config) as resources, process_of(_run_worker, config), process_of(_run_streams, config):
        await _wait_for_listeners(resources)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "awards.csv"
            _write_copies(path, 0)
            alone = await _rate(_import_everywhere(resources, path))
            _write_copies(path, COPIES)
            async with _offering(resources) as offers:
                beside = await _rate(_import_everywhere(resources, path))
            delays = offers.p99()
    name = "awards from file to the last service"
    return [
        Figure(name=name, value=alone, unit="rows/s", limit=raw, ratio=alone / raw, aim="3,000 rows/s"),
        Figure(name=f"{name}, beside live offers", value=beside, unit="rows/s", limit=raw, ratio=beside / raw),
        *(
            Figure(name=f"offer to {service} during an import, p99", value=each, unit="ms", aim="1,000 ms")
            for service, each in delays.items()
        ),
    ]


def _run_worker(config: Config) -> None:
    uvloop.run(run_worker(config))


def _run_streams(config: Config) -> None:
    asyncio.run(run_streams(config))


def _write_copies(path: Path, first: int) -> None:
    """Write COPIES copies of the awards, numbered from ``first``: the number precedes the first cell of each row."""
    header, *lines = gzip.decompress(AWARDS.read_bytes()).decode().splitlines()
    with path.open("w", encoding="utf-8") as stream:
        stream.write(header + "\n")
        for copy in range(first, first + COPIES):
            stream.writelines(f"{copy}{line}\n" for line in lines)


async def _import_everywhere(resources: Resources, path: Path) -> int:
    """Import, and wait until each service has handled every award. Return the number of awards."""
    await _import(path, resources.database.url)
    await _wait_for_services(resources)
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
    _, output = await process.communicate()
    if process.returncode:
        raise AssertionError(f"the import failed: {output.decode()[-500:]}")


async def _wait_for_services(resources: Resources) -> None:
    """Wait until each service and view has claimed every import event that it reacts to."""
    rows = await resources.database.pool.fetch(
        "select distinct envelope::json->>'type' as type from transparency.outbox where topic = 'lonja.imports'"
    )
    imported = {row["type"] for row in rows}
    for service in load(resources):
        for prefix, reactions in [("", service.reactions), *((f"{one.name}/", one.reactions) for one in service.views)]:
            wanted = [kind.TYPE for kind in reactions if kind.TYPE in imported]
            missing = (
                "select exists (select from (select event_id from transparency.outbox where topic = 'lonja.imports' and"
                " envelope::json->>'type' = any($2::text[]) order by position desc limit $3) o where not exists"
                f" (select from {service.name}.inbox i where i.event_id = $1 || o.event_id))"
            )
            # the newest first: a check of all events is slow, and would slow down the import
            for newest in (200, None):
                while wanted and await resources.database.pool.fetchval(missing, prefix, wanted, newest):
                    await asyncio.sleep(0.5)


# Offers during an import


LISTENERS = ("purchases", "observatory", "recommender")


async def _publish_offer(resources: Resources) -> str:
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


async def _wait_for_listeners(resources: Resources) -> None:
    """Publish an offer, and wait until each of the LISTENERS has handled an event."""
    await _publish_offer(resources)
    for service in LISTENERS:
        while not await resources.database.pool.fetchval(f"select exists (select from {service}.inbox)"):
            await asyncio.sleep(0.2)


class Offers:
    """Offers that are published one after the other, with the time that each took to arrive. One query checks all offers
    that have not arrived yet, so that the checks do not slow down the market."""

    def __init__(self) -> None:
        self.published: dict[str, float] = {}
        """The time of publication, by event id."""
        self.delays: dict[str, dict[str, float]] = {service: {} for service in LISTENERS}
        """Milliseconds from the publication until the first check after the reaction was committed, by service and event id."""

    async def publish(self, resources: Resources) -> None:
        while True:
            began = time.perf_counter()
            self.published[await _publish_offer(resources)] = began
            await asyncio.sleep(BETWEEN_OFFERS)

    async def measure(self, resources: Resources) -> None:
        query = " union all ".join(
            f"select '{each}', event_id from {each}.inbox where event_id = any(${number}::text[])"
            for number, each in enumerate(LISTENERS, 1)
        )
        while True:
            await asyncio.sleep(BETWEEN_CHECKS)
            awaited = [[one for one in self.published if one not in self.delays[each]] for each in LISTENERS]
            if any(awaited):
                for service, event_id in await resources.database.pool.fetch(query, *awaited):
                    self.delays[service][event_id] = (time.perf_counter() - self.published[event_id]) * 1000

    async def wait_for_all(self) -> None:
        """Wait until every offer has arrived at every service."""
        while any(len(delays) < len(self.published) for delays in self.delays.values()):
            await asyncio.sleep(BETWEEN_CHECKS)

    def p99(self) -> dict[str, float]:
        """Return the 99th percentile of the delays, by service."""
        return {service: sorted(delays.values())[int(len(delays) * 0.99)] for service, delays in self.delays.items()}


@asynccontextmanager
async def _offering(resources: Resources) -> AsyncIterator[Offers]:
    """Publish offers while the block runs; at its end, wait until all have arrived."""
    offers = Offers()
    async with background(offers.measure(resources), name="measure"):
        async with background(offers.publish(resources), name="publish"):
            yield offers
        await offers.wait_for_all()
