"""Rights in the database: the market's login is not a superuser, and a service can use only its own schema."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from infra import migrations, resuming, roles
from infra.clock import system_clock
from infra.database import Database
from infra.embedded import Servers, postgres
from infra.embedded.ports import free_port
from infra.embedded.process import Child
from infra.ids import new_id
from infra.operations import processes
from infra.secrets import close
from services.accounts.store import Row as AccountsRow
from services.auctions.store import Row as AuctionsRow
from tests.market import empty_database

SERVICES = {"accounts": AccountsRow.metadata, "auctions": AuctionsRow.metadata}
MEMBERS = "select count(*) from accounts.members"
CLAIM = "insert into auctions.inbox (event_id) values ($1)"


async def brought_up_to_date(url: str) -> None:
    database = await Database.connect(url, system_clock)
    for name, metadata in SERVICES.items():
        await migrations.upgrade(database.engine, name, metadata)
    async with database.pool.acquire() as connection:
        await roles.grant(connection, SERVICES)
    await database.close()


@pytest.fixture(scope="module")
async def database(servers: Servers) -> AsyncIterator[Database]:
    url = await empty_database(servers, "lonja_roles")
    await brought_up_to_date(url)
    connected = await Database.connect(url, system_clock)
    yield connected
    await connected.close()


async def test_the_markets_login_is_no_superuser(database: Database) -> None:
    assert await database.pool.fetchval(
        "select not (rolsuper or rolcreaterole or rolcreatedb) from pg_roles where rolname = current_user"
    )
    for forbidden in ("select * from pg_authid", "copy (select 1) to program 'true'", "create role another"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.pool.execute(forbidden)


async def test_a_service_reads_and_writes_only_its_own_schema(database: Database) -> None:
    auctions = database.of("auctions")
    await auctions.pool.execute(CLAIM, new_id())
    for forbidden in (
        MEMBERS,
        "drop table auctions.inbox",
        "create table auctions.more (n int)",
        "create table public.n (n int)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await auctions.pool.execute(forbidden)


async def test_a_transaction_of_a_service_too(database: Database) -> None:
    async with database.transaction("auctions") as tx:
        await tx.claim([new_id()])
    async with database.transaction("accounts") as tx:
        assert await (await tx.raw()).fetchval(MEMBERS) == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.transaction("auctions") as tx:
            await (await tx.raw()).fetchval(MEMBERS)
    with pytest.raises(DBAPIError, match="permission denied"):
        async with database.transaction("auctions") as tx:
            await tx.session.connection()
            await tx.session.exec(text(MEMBERS))  # type: ignore[call-overload]


async def test_a_service_says_nothing_for_other_processes_and_lets_nothing_go_on(database: Database) -> None:
    await migrations.upgrade(database.engine, "operations", processes.METADATA)
    accounts = database.of("accounts").pool
    for forbidden in (
        "insert into operations.resumes (part) values ('consumer pools')",
        "insert into operations.processes (process, kind, release, groups, conditions) values ('a', 'worker', '1', '{}', '[]')",
        "update operations.processes set ended = true",
        "delete from operations.processes",
        "delete from operations.resumes",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await accounts.execute(forbidden)
    await resuming.ask(database.pool, ["consumer pools"])
    async with processes.reporting(database, "web", 1), asyncio.timeout(20):
        while not await processes.read(database.pool):
            await asyncio.sleep(0.05)


async def test_connections_go_from_one_to_the_other_with_the_right_role(database: Database) -> None:
    who = "select current_user"
    for _ in range(3):
        for service in SERVICES:
            assert await database.of(service).pool.fetchval(who) == f"lonja_{service}"
        assert await database.pool.fetchval(who) == "lonja_market"


async def test_a_connection_of_a_services_own_has_its_role(database: Database) -> None:
    connection = await asyncpg.connect(database.of("auctions").url)
    assert await connection.fetchval("select current_user") == "lonja_auctions"
    await connection.close()


async def test_a_schema_that_is_shut_to_its_service_is_opened_by_the_next_migration(database: Database) -> None:
    await database.pool.execute("revoke usage on schema auctions from lonja_auctions")
    assert "auctions" in await migrations.pending(database.url)
    await brought_up_to_date(database.url)
    assert "auctions" not in await migrations.pending(database.url)


async def test_a_new_table_is_open_to_its_service_alone_at_once(database: Database) -> None:
    await database.pool.execute("create table auctions.more (n bigint generated always as identity)")
    await database.of("auctions").pool.execute("insert into auctions.more default values")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.of("accounts").pool.execute("select * from auctions.more")
    await database.pool.execute("drop table auctions.more")


async def test_a_database_that_lets_nobody_make_roles_works_without(servers: Servers) -> None:
    name = "lonja_roles_elsewhere"
    await empty_database(servers, name)
    admin = await asyncpg.connect(servers.admin_url)
    await admin.execute("drop role if exists elsewhere")
    await admin.execute("create role elsewhere login password 'elsewhere'")
    await admin.execute(f"alter database {name} owner to elsewhere")
    url = f"postgresql://elsewhere:elsewhere@{servers.database_url.rpartition('@')[2].rpartition('/')[0]}/{name}"
    await brought_up_to_date(url)
    database = await Database.connect(url, system_clock)
    assert database.roles == frozenset() and database.of("auctions") is database
    async with database.transaction("auctions") as tx:
        await tx.claim([new_id()])
    await database.close()
    await admin.execute(f"drop database {name} with (force)")
    await admin.execute("drop role elsewhere")
    await admin.close()


async def test_no_value_of_a_row_gets_into_the_log(database: Database, servers: Servers) -> None:
    bidder = new_id()
    await database.pool.execute(CLAIM, bidder)
    with pytest.raises(asyncpg.UniqueViolationError, match="inbox"):
        await database.pool.execute(CLAIM, bidder)
    log = (servers.home / "logs" / "postgres.log").read_text()
    assert "duplicate key value violates unique constraint" in log and bidder not in log


@pytest.fixture
def old_home(servers: Servers) -> Path:
    """A home in which the superuser owns everything, as made by releases before roles."""
    home = servers.home / "old"
    shutil.rmtree(home, ignore_errors=True)
    close(home)
    free_port(home, "postgres")
    postgres.prepare(home)
    return home


async def running(home: Path) -> Child:
    child = Child(postgres.part(home), home)
    child.start()
    await child.wait_ready()
    return child


async def test_a_home_of_the_release_before_gets_its_roles_at_the_next_start(old_home: Path) -> None:
    server = await running(old_home)
    admin = await asyncpg.connect(postgres.admin_url(old_home))
    await admin.execute(
        "alter database lonja owner to lonja; create schema auctions; create table auctions.kept (n bigint generated always as identity);"
        " insert into auctions.kept default values; create function auctions.one() returns int language sql return 1"
    )
    await admin.close()
    server.stop()
    (old_home / "postgres" / "roles").unlink()
    postgres.prepare(old_home)
    server = await running(old_home)
    market = await asyncpg.connect(postgres.database_url(old_home))
    await market.execute("insert into auctions.kept default values; alter table auctions.kept add column more int")
    await market.execute("create or replace function auctions.one() returns int language sql return 2")
    assert await market.fetchval("select count(*) from auctions.kept") == 2
    await roles.grant(market, ["auctions"])
    assert await roles.usable(market) == {"auctions"}
    await market.close()
    server.stop()


def test_only_its_owner_may_read_a_home(servers: Servers) -> None:
    for name in ("secrets", "logs", "mail", "kafka", "run", "postgres"):
        assert (servers.home / name).stat().st_mode & 0o077 == 0, name
    assert servers.home.stat().st_mode & 0o066 == 0
    assert os.access(servers.home / "logs" / "postgres.log", os.R_OK)
