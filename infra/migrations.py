"""Alembic migrations: one history for each service, in ``services/<name>/migrations``, and one of infra, operations.

Alembic is imported only for a migration, not at a start that finds all tables up to date.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from infra import roles
from infra.away import is_locked
from infra.running import TablesBehind

if TYPE_CHECKING:
    from alembic.config import Config as AlembicConfig
    from sqlalchemy import Connection, MetaData
    from sqlalchemy.ext.asyncio import AsyncEngine

log = logging.getLogger(__name__)
INFRA = Path(__file__).parent
SERVICES = INFRA.parent / "services"
ONE_AT_A_TIME = "pg_try_advisory_lock(hashtextextended('lonja/migrating', 0))"
"""A lock of the connection, not of a transaction, because an index that is made beside writers needs several
transactions. It is tried repeatedly: a process that waited for it inside a statement would itself be waited for by such
an index."""
WAIT = 0.1
"""Seconds between two tries."""
TRIES, PAUSE = 12, 5.0
"""The number of tries of a table change that another transaction delays, and the seconds between them. While the change
waits, all later statements wait behind it, so it gives up soon and lets them pass."""
AHEAD = "the tables of {} are of a newer release, which this one works with: they stay as they are"


class TablesHeld(Exception):
    """A transaction holds locks on the tables that change, and does not end."""

    code = "tables-held"


def folder(name: str) -> Path:
    """The folder of a service's history, or of infra's own."""
    return (INFRA if name == "operations" else SERVICES) / name / "migrations"


async def pending(url: str) -> list[str]:
    """The services whose schema is older than this release, as the files and the database say, or closed to their
    role."""
    newest = _newest_revisions()
    found = await _found_revisions(url, newest)
    shut = await roles.shut_out(url)
    return [name for name, revision in newest.items() if found.get(name, "") < revision or name in shut]


async def require(url: str, names: Container[str]) -> None:
    """Raise TablesBehind if the schema of one of these services is older than this release: its reactions would
    fail."""
    newest = {name: revision for name, revision in _newest_revisions().items() if name in names}
    found = await _found_revisions(url, newest)
    if behind := [name for name, revision in newest.items() if found.get(name, "") < revision]:
        raise TablesBehind(f"the tables of {', '.join(behind)} are of a former release: run `lonja migrate`")


async def ahead(url: str) -> list[str]:
    """The services whose schema has a newer revision than this release knows. This release works with it."""
    newest = _newest_revisions()
    found = await _found_revisions(url, newest)
    return [name for name, revision in newest.items() if found.get(name, "") > revision]


def _newest_revisions() -> dict[str, str]:
    services = (each.parent.name for each in sorted(SERVICES.glob("*/migrations")))
    return {name: revision for name in ("operations", *services) if (revision := newest_revision(name))}


async def _found_revisions(url: str, names: Container[str]) -> dict[str, str]:
    """The revisions in the database; a service without tables is left out."""
    connection = await asyncpg.connect(url)
    try:
        there = await connection.fetch("select schemaname from pg_tables where tablename = 'migrations'")
        return {
            name: await connection.fetchval(f"select version_num from {name}.migrations") or ""
            for (name,) in there
            if name in names
        }
    finally:
        await connection.close()


def newest_revision(name: str) -> str:
    """The newest revision of a service's history that this release knows, "" if there is none. Revisions are numbers of
    four digits."""
    return max((each.name.partition("_")[0] for each in folder(name).glob("[0-9]*.py")), default="")


async def upgrade(engine: AsyncEngine, name: str, metadata: MetaData) -> None:
    """Bring the service's schema to the newest revision. Processes that start together wait for one another. A schema
    with a newer revision stays as it is. Raise TablesHeld."""
    from alembic import command
    from alembic.migration import MigrationContext

    def to_the_newest(config: AlembicConfig) -> None:
        options = {"version_table": "migrations", "version_table_schema": name}
        connection: Connection = config.attributes["connection"]
        there = MigrationContext.configure(connection, opts=options).get_current_revision()
        connection.rollback()  # migrations begin their transactions themselves
        newest = newest_revision(name)
        if there is not None and there > newest:
            log.info("the tables of %s are at revision %s, and this release knows them up to %s", name, there, newest)
            return
        command.upgrade(config, "head")

    for _ in range(TRIES):
        try:
            return await _run(engine, name, metadata, to_the_newest)
        except Exception as error:
            if not is_locked(error):
                raise
            holders = await _holders(engine)
            log.warning("the tables of %s wait for other transactions (%s)", name, holders)
        await asyncio.sleep(PAUSE)
    raise TablesHeld(
        f"the tables of {name} could not be changed, because a transaction has them ({holders}): let it end, or end it with"
        " `select pg_terminate_backend(<pid>)`; then do this again. What was changed before stays, and nothing is lost"
    )


async def _holders(engine: AsyncEngine) -> str:
    """The three transactions that began first, by their process ids."""
    from sqlalchemy import text

    asked = (
        "select pid, usename, application_name, date_trunc('second', clock_timestamp() - xact_start)::text as age from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid() and xact_start is not null order by xact_start limit 3"
    )
    async with engine.connect() as connection:
        found = (await connection.execute(text(asked))).all()
    return "; ".join(f"pid {pid}, {' '.join((user or '', what)).strip()}, for {age}" for pid, user, what, age in found)


async def check(engine: AsyncEngine, name: str, metadata: MetaData) -> str:
    """The differences between the row classes and the migrated tables: "" if there are none."""
    from alembic import command
    from alembic.util import CommandError

    try:
        await _run(engine, name, metadata, command.check)
    except CommandError as error:
        return str(error)
    return ""


async def revise(engine: AsyncEngine, name: str, metadata: MetaData, message: str) -> None:
    """Write the next revision from the difference between the row classes and the database (upgrade first)."""
    from alembic import command

    revisions = folder(name)
    revisions.mkdir(exist_ok=True)
    number = f"{len(list(revisions.glob('[0-9]*.py'))) + 1:04d}"
    await _run(
        engine, name, metadata, lambda config: command.revision(config, message, autogenerate=True, rev_id=number)
    )


async def _run(engine, name, metadata, action) -> None:  # type: ignore[no-untyped-def]
    from alembic.config import Config as AlembicConfig
    from sqlalchemy import text

    def work(connection: Connection) -> None:
        config = AlembicConfig()
        config.set_main_option("script_location", str(INFRA / "alembic"))
        config.set_main_option("version_locations", str(folder(name)))
        config.set_main_option("path_separator", "os")
        config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        config.attributes |= {"connection": connection, "metadata": metadata}
        action(config)

    async with engine.connect() as connection:
        while not await connection.scalar(text(f"select {ONE_AT_A_TIME}")):
            await connection.rollback()
            await asyncio.sleep(WAIT)
        await connection.commit()
        try:
            await connection.run_sync(work)
        finally:
            await connection.invalidate()  # closing the connection releases the lock
