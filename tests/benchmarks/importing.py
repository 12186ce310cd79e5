"""`lonja import awards` on real awards, beside the same file read and copied as it stands into one table.

The import reads, understands, keeps each original and tells the market by events, 500 rows in a durable transaction; the limit
does only what cannot be left out: it parses the CSV and writes the cells by COPY, as many rows in a transaction.
"""

import csv
import gzip
import io
import os
import time
from collections.abc import Awaitable
from pathlib import Path

import asyncpg

from infra import migrations
from infra.clock import system_clock
from infra.database import Database
from infra.embedded import Servers
from services.transparency.intake import BATCH, mapping_for, read_table, take_in
from services.transparency.store import NAME, Row
from services.transparency.tables import shipped_mappings
from services.transparency.tolerance import NotUnderstood
from tests.benchmarks import Figure
from tests.market import empty_database

AWARDS = Path(os.environ.get("LONJA_DATA", "../shared/data")) / "canada_awards_2009_2013.csv.gz"


async def measure(servers: Servers) -> list[Figure]:
    """Rows per second into an empty database, and once more when all are known."""
    url = await empty_database(servers, "lonja_bench")
    raw = await _rate(_copied(url))
    database = await Database.connect(url, system_clock)
    try:
        await migrations.upgrade(database.engine, NAME, Row.metadata)
        first, again = await _rate(_imported(database)), await _rate(_imported(database))
    finally:
        await database.close()
    return [
        Figure(name="rows read and copied", value=raw, unit="rows/s"),
        Figure(name="awards imported", value=first, unit="rows/s", limit=raw, ratio=first / raw, aim="1,000 rows/s"),
        Figure(name="awards imported again", value=again, unit="rows/s", limit=raw, ratio=again / raw),
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


async def _imported(database: Database) -> int:
    reading = read_table(AWARDS, mapping_for(AWARDS, shipped_mappings("awards")), NotUnderstood())
    return (await take_in(database, reading, lambda counts: None)).records
