"""A start quickly checks whether tables are up to date, and migrates only if they are not."""

import asyncio
import os
from dataclasses import replace

import asyncpg
import pytest

from infra import migrations
from infra.config import Config
from infra.embedded import Servers
from infra.health import HEALTH, PartState
from infra.running import TablesBehind
from infra.runtime import migrate, run_worker
from infra.tasks import background
from tests.market import empty_database


async def test_pending_migrations_are_found_without_loading_any_service(servers: Servers) -> None:
    url = await empty_database(servers, "lonja_pending")
    services = {path.parent.name for path in migrations.SERVICES.glob("*/migrations") if any(path.glob("[0-9]*.py"))}
    assert services
    assert set(await migrations.pending(url)) == {*services, "operations"}
    await migrate(replace(Config.load({**os.environ, "LONJA_HOME": str(servers.home)}), database_url=url))
    assert await migrations.pending(url) == []
    connection = await asyncpg.connect(url)
    await connection.execute("update pools.migrations set version_num = '0001'")
    await connection.close()
    assert await migrations.pending(url) == ["pools"]


async def test_tables_of_a_newer_release_stay_as_they_are(servers: Servers) -> None:
    url = await empty_database(servers, "lonja_ahead")
    config = replace(Config.load({**os.environ, "LONJA_HOME": str(servers.home)}), database_url=url)
    await migrate(config)
    connection = await asyncpg.connect(url)
    await connection.execute("alter table pools.pools add column of_a_newer_release text")
    await connection.execute("update pools.migrations set version_num = '9999'")
    assert await migrations.pending(url) == []
    assert await migrations.ahead(url) == ["pools"]
    await migrate(config)
    assert await connection.fetchval("select version_num from pools.migrations") == "9999"
    await connection.close()


async def test_a_worker_waits_for_the_tables_of_its_release(servers: Servers, topics: None) -> None:
    url = await empty_database(servers, "lonja_behind")
    config = Config.load({**os.environ, "LONJA_HOME": str(servers.home)})
    config = replace(config, database_url=url, kafka_bootstrap=servers.kafka_bootstrap)
    await migrate(config)
    connection = await asyncpg.connect(url)
    newest = await connection.fetchval("select version_num from pools.migrations")
    await connection.execute("update pools.migrations set version_num = '0001'")
    with pytest.raises(TablesBehind, match=r"pools.*lonja migrate"):
        await migrations.require(url, {"pools", "quotes"})
    await migrations.require(url, {"quotes"})

    async def until(name: str, state: PartState) -> None:
        async with asyncio.timeout(60):
            while not any(each.name == name and each.state is state for each in HEALTH):
                await asyncio.sleep(0.1)

    async with background(run_worker(config, ["pools"]), name="worker"):
        await until("the tables of this release", PartState.waiting)
        await connection.execute("update pools.migrations set version_num = $1", newest)
        await until("the tables of this release", PartState.running)
    await connection.close()


async def test_an_index_of_a_large_table_keeps_no_writer_out_and_is_begun_again(servers: Servers) -> None:
    url = await empty_database(servers, "lonja_beside_writers")
    config = replace(Config.load({**os.environ, "LONJA_HOME": str(servers.home)}), database_url=url)
    await migrate(config)
    early, late = await asyncpg.connect(url), await asyncpg.connect(url)
    write = "insert into pools.log (pool_id, type, at, data) values ('p', 'PoolOpened', now(), '{}')"
    valid = "select indisvalid from pg_index where indexrelid = 'pools.ix_log_in_order'::regclass"
    await early.execute("update pools.migrations set version_num = '0003'")
    await early.execute("drop index pools.ix_log_in_order")
    unfinished = early.transaction()
    await unfinished.start()
    await early.execute(write)
    await late.execute("set statement_timeout = '300ms'")
    with pytest.raises(asyncpg.QueryCanceledError):  # an incomplete index remains
        await late.execute("create index concurrently ix_log_in_order on pools.log (pool_id, position)")
    await late.execute("reset statement_timeout")
    assert await late.fetchval(valid) is False
    async with background(migrate(config), name="migrations"):
        waiting = (
            "select true from pg_stat_activity where query ilike '%index concurrently%' and wait_event_type = 'Lock'"
            " and pid <> pg_backend_pid()"
        )
        async with asyncio.timeout(60):
            while not await late.fetchval(waiting):
                await asyncio.sleep(0.05)
        await late.execute("set lock_timeout = '5s'")
        await late.execute(write)
        await unfinished.commit()
        async with asyncio.timeout(60):
            while await migrations.pending(url):
                await asyncio.sleep(0.05)
    assert await late.fetchval(valid) is True
    assert await late.fetchval("select count(*) from pools.log") == 2
    await early.close()
    await late.close()


async def test_references_that_a_later_version_replaced_in_another_place_end(servers: Servers) -> None:
    url = await empty_database(servers, "lonja_replaced")
    config = replace(Config.load({**os.environ, "LONJA_HOME": str(servers.home)}), database_url=url)
    await migrate(config)
    connection = await asyncpg.connect(url)
    formers = {"auctions": "0015", "catalogue": "0007", "pools": "0006", "quotes": "0007"}
    rows = [("moved", "RU", 1), ("moved", "BY", 3), ("moved", "KZ", 2), ("only", "RU", 1)]
    for service, former in formers.items():
        await connection.execute(f"update {service}.migrations set version_num = $1", former)
        await connection.executemany(
            f"insert into {service}.reference_prices (sku_id, currency, level, place_code, reference_id, version, body)"
            " values ($1, 'RUB', 'country', $2, $1 || $2, $3, '{}')",
            rows,
        )
    await migrate(config)
    for service in formers:
        left = await connection.fetch(f"select sku_id, place_code from {service}.reference_prices order by sku_id")
        assert [tuple(row) for row in left] == [("moved", "BY"), ("only", "RU")]
    await connection.close()


async def test_items_with_a_reference_of_the_former_release_wait_until_the_ends_of_its_former_ones_are_published(
    servers: Servers,
) -> None:
    url = await empty_database(servers, "lonja_ends_due")
    config = replace(Config.load({**os.environ, "LONJA_HOME": str(servers.home)}), database_url=url)
    await migrate(config)
    connection = await asyncpg.connect(url)
    await connection.execute("drop table observatory.ends_due; update observatory.migrations set version_num = '0009'")
    for key, sku, judged in (("judged", "sku", True), ("text", None, True), ("new", "sku", False)):
        await connection.execute(
            "insert into observatory.items (item_key, sku_id, title, words, category_scheme, category_code, category_title, currency)"
            " values ($1, $2, '', '', '', '', '', '')",
            key,
            sku,
        )
        if judged:
            await connection.execute(
                "insert into observatory.snapshots (reference_id, item_key, version, made_at, current, valued_on, kind, unit,"
                " currency, level, place_code, median, p25, p75, observations, suppliers, variation, grade, body)"
                " values ($1, $1, 1, now(), true, now(), '', '', 'RUB', 'country', 'RU', 1, 1, 1, 3, 3, 0, 'A', '{}')",
                key,
            )
    await migrate(config)
    assert [row["item_key"] for row in await connection.fetch("select item_key from observatory.ends_due")] == [
        "judged"
    ]
    await connection.close()
