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
    """The recorded statements, and those of them that are queries."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.queries: list[tuple[str, tuple[Any, ...]]] = []

    def heard(self, query: str, values: Any) -> None:
        self.statements.append(query)
        if query.lstrip().lower().startswith("select"):
            self.queries.append((query, tuple(values or ())))

    async def of(self, db: asyncpg.Connection, table: str) -> int:
        """The rows of ``table`` that the worst of these queries read, including rows that it discarded; its plan is
        printed."""
        assert self.queries, "nothing was asked"
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
async def listening(db: asyncpg.Connection, tx: Transaction | None = None) -> AsyncIterator[Reading]:
    """Record the statements on a connection of the driver, and those of SQLAlchemy in ``tx``."""
    reading = Reading()
    connection = (await tx.session.connection()).sync_connection if tx else None

    def hear_sqlalchemy(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        reading.heard(statement, values)

    def hear(said: Any) -> None:
        reading.heard(said.query, said.args)

    db.add_query_logger(hear)
    if connection is not None:
        event.listen(connection, "before_cursor_execute", hear_sqlalchemy)
    try:
        yield reading
        await asyncio.sleep(0)  # the driver reports a query in a later step of the loop
    finally:
        db.remove_query_logger(hear)
        if connection is not None:
            event.remove(connection, "before_cursor_execute", hear_sqlalchemy)


@asynccontextmanager
async def undone(database: Database, service: str) -> AsyncIterator[tuple[Transaction, asyncpg.Connection]]:
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
