"""The rows that the queries of a list read, according to the database. No time is measured."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import event

from infra.database import Database, Transaction


class Reading:
    """All recorded statements, and among them the queries with their values."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.queries: list[tuple[str, tuple[Any, ...]]] = []

    def record(self, query: str, values: Any) -> None:
        self.statements.append(query)
        if query.lstrip().lower().startswith("select"):
            self.queries.append((query, tuple(values or ())))

    async def rows_of(self, db: asyncpg.Connection, table: str) -> int:
        """Return the rows of ``table`` that the most expensive query read, including rows that it discarded. Print its
        plan."""
        assert self.queries, "no query was recorded"
        worst, printed = 0, ""
        for query, values in self.queries:
            found = await db.fetchval(f"explain (analyze, format json) {query}", *values)
            plan = (msgspec.json.decode(found) if isinstance(found, str) else found)[0]["Plan"]
            read = sum(_rows(node) for node in _nodes(plan) if node.get("Relation Name") == table)
            if read >= worst:
                worst, printed = read, f"{query}\n{plan}"
        print(printed)
        return worst


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


def _rows(node: dict[str, Any]) -> int:
    passed_over = sum(node.get(f"Rows Removed by {how}", 0) for how in ("Filter", "Index Recheck"))
    return int((node["Actual Rows"] + passed_over) * node["Actual Loops"])


@asynccontextmanager
async def recording_queries(db: asyncpg.Connection, tx: Transaction | None = None) -> AsyncIterator[Reading]:
    """Record the statements on a connection of the driver, and those of SQLAlchemy in ``tx``."""
    reading = Reading()
    connection = (await tx.session.connection()).sync_connection if tx else None

    def record_sqlalchemy(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        reading.record(statement, values)

    def record_query(query: Any) -> None:
        reading.record(query.query, query.args)

    db.add_query_logger(record_query)
    if connection is not None:
        event.listen(connection, "before_cursor_execute", record_sqlalchemy)
    try:
        yield reading
        await asyncio.sleep(0)  # the driver reports a query in a later step of the loop
    finally:
        db.remove_query_logger(record_query)
        if connection is not None:
            event.remove(connection, "before_cursor_execute", record_sqlalchemy)


@asynccontextmanager
async def rolled_back(database: Database, service: str) -> AsyncIterator[tuple[Transaction, asyncpg.Connection]]:
    """A transaction that is rolled back, however many rows it makes."""

    class Undo(Exception):
        pass

    try:
        async with database.transaction(service) as tx:
            db = await tx.raw()
            await db.execute("set local role none")  # only the owner may analyze tables
            yield tx, db
            raise Undo
    except Undo:
        pass
