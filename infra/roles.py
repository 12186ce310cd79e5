"""Roles in the database: the market's role owns all schemas and is no superuser; each service works as a role that can
use only its own schema.

One process serves many services over few connections, so a connection takes the role of the service that it works for:
a transaction in the statement that begins it (``set local role``), a connection of the pool when another service used
it before. If the database does not allow to make roles, all services work with the market's role; ``lonja doctor`` says
so.
"""

import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from infra.deadline import in_use

log = logging.getLogger(__name__)
PREFIX = "lonja_"
NONE = "none"
"""SQL for the role that the connection logged in with."""


def role_of(service: str) -> str:
    return PREFIX + service


async def usable(connection: asyncpg.Pool | asyncpg.Connection) -> frozenset[str]:
    """The services (schemas) that have a role in this database which the login may take."""
    rows = await connection.fetch(
        "select nspname from pg_namespace join pg_roles on rolname = $1 || nspname"
        " where pg_has_role(pg_roles.oid, 'member') and has_schema_privilege(pg_roles.oid, pg_namespace.oid, 'usage')",
        PREFIX,
    )
    return frozenset(row["nspname"] for row in rows)


async def shut_out(url: str) -> frozenset[str]:
    """The services (schemas) whose role may not use its schema yet."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "select nspname from pg_namespace join pg_roles on rolname = $1 || nspname"
            " where not has_schema_privilege(pg_roles.oid, pg_namespace.oid, 'usage')",
            PREFIX,
        )
    finally:
        await connection.close()
    return frozenset(row["nspname"] for row in rows)


async def grant(connection: asyncpg.Connection, services: Iterable[str]) -> None:
    """Let each service's role read and write all present and future tables of its schema, but not change their
    structure."""
    for service in services:
        role = role_of(service)
        if not await connection.fetchval("select exists (select from pg_roles where rolname = $1)", role):
            try:
                async with connection.transaction():
                    await connection.execute(f"create role {role}")
                    await connection.execute(f"grant {role} to current_user")
            except asyncpg.InsufficientPrivilegeError:
                log.warning("the services share one role in the database: this login may not make roles")
                return
        await connection.execute(
            f"grant usage on schema {service} to {role};"
            f" grant select, insert, update, delete on all tables in schema {service} to {role};"
            f" grant usage, select on all sequences in schema {service} to {role};"
            f" grant execute on all functions in schema {service} to {role};"
            f" alter default privileges in schema {service} grant select, insert, update, delete on tables to {role};"
            f" alter default privileges in schema {service} grant usage, select on sequences to {role}"
        )


@asynccontextmanager
async def _lent(pool: asyncpg.Pool) -> AsyncIterator[Any]:
    """A connection for the time of a block. Returning it may also wait for the server."""
    connection = await pool.acquire()
    with in_use(connection):
        try:
            yield connection
        finally:
            await pool.release(connection)


class Connections:
    """The pool as used by one service, or with the market's own role (``NONE``). ``held``: the role of each connection,
    by the process id of its server process; shared by all users of the pool."""

    def __init__(self, pool: asyncpg.Pool, role: str, held: dict[int, str]) -> None:
        self._pool = pool
        self._role = role
        self._held = held

    def of(self, service: str) -> "Connections":
        return Connections(self._pool, role_of(service), self._held)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        async with _lent(self._pool) as connection:
            end = connection.get_server_pid()
            if self._held.get(end, NONE) != self._role:
                self._held[end] = ""  # unknown, if the next statement is interrupted
                await connection.execute(f"set role {self._role}")
                self._held[end] = self._role
            yield connection

    async def execute(self, query: str, *values: Any, **more: Any) -> str:
        async with self.acquire() as connection:
            status: str = await connection.execute(query, *values, **more)
        return status

    async def fetch(self, query: str, *values: Any, **more: Any) -> list[asyncpg.Record]:
        async with self.acquire() as connection:
            rows: list[asyncpg.Record] = await connection.fetch(query, *values, **more)
        return rows

    async def fetchrow(self, query: str, *values: Any, **more: Any) -> asyncpg.Record | None:
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *values, **more)

    async def fetchval(self, query: str, *values: Any, **more: Any) -> Any:
        async with self.acquire() as connection:
            return await connection.fetchval(query, *values, **more)

    async def close(self) -> None:
        await self._pool.close()
