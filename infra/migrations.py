"""Alembic migrations, one history a service, in ``services/<name>/migrations``."""

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine

SERVICES = Path(__file__).parent.parent / "services"
ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtextextended('lonja/migrations', 0))"


async def upgrade(engine: AsyncEngine, name: str, metadata: MetaData) -> None:
    """Bring the service's schema to the newest revision. Processes that start together wait for one another."""
    await _run(engine, name, metadata, lambda config: command.upgrade(config, "head"))


async def check(engine: AsyncEngine, name: str, metadata: MetaData) -> str:
    """What the rows say and the migrations do not: "" when they agree."""
    try:
        await _run(engine, name, metadata, command.check)
    except CommandError as error:
        return str(error)
    return ""


async def revise(engine: AsyncEngine, name: str, metadata: MetaData, message: str) -> None:
    """Write the next revision from the difference between rows and database (upgrade first)."""
    revisions = SERVICES / name / "migrations"
    revisions.mkdir(exist_ok=True)
    number = f"{len(list(revisions.glob('[0-9]*.py'))) + 1:04d}"
    await _run(
        engine, name, metadata, lambda config: command.revision(config, message, autogenerate=True, rev_id=number)
    )


async def _run(engine, name, metadata, action) -> None:  # type: ignore[no-untyped-def]
    def work(connection: Connection) -> None:
        connection.execute(text(ONE_AT_A_TIME))
        config = AlembicConfig()
        config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
        config.set_main_option("version_locations", str(SERVICES / name / "migrations"))
        config.set_main_option("path_separator", "os")
        config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        config.attributes |= {"connection": connection, "metadata": metadata}
        action(config)

    async with engine.begin() as connection:
        await connection.run_sync(work)
