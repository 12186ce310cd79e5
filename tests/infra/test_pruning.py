"""Pruning on the real database: old rows are deleted, all others stay, in steps that delay no other work."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlmodel import SQLModel

from events.accounts import OrganisationRegistered
from infra.clock import system_clock
from infra.config import Keep
from infra.database import Database, schema_of
from infra.embedded import Servers
from infra.ids import new_id
from infra.pruning import PAGES, Pruner
from infra.service import Prune
from tests.market import empty_database

pytestmark = pytest.mark.servers


class Row(SQLModel, registry=schema_of("pruned")):
    """Base of the rows of this schema."""


SERVICE = "pruned"
TOPIC = "lonja.accounts"
USUAL = Keep()


@pytest.fixture
async def database(servers: Servers) -> AsyncIterator[Database]:
    database = await Database.connect(await empty_database(servers, "lonja_pruned"), system_clock)
    async with database.engine.begin() as connection:
        await connection.execute(text(f"create schema {SERVICE}"))
        await connection.run_sync(Row.metadata.create_all)
    yield database
    await database.close()


async def sweep(database: Database, keep: Keep = USUAL) -> int:
    """Prune all tables once. Return the number of steps."""
    pruner, steps = Pruner(SERVICE, [TOPIC], keep), 1
    while await step(database, pruner):
        steps += 1
    return steps


async def step(database: Database, pruner: Pruner) -> int:
    async with database.transaction(SERVICE) as tx:
        return await pruner.step(tx)


async def events(database: Database, *published_days_ago: int | None) -> None:
    """Write events into the outbox that were published this many days ago; None: not published."""
    for days in published_days_ago:
        async with database.transaction(SERVICE) as tx:
            event_id = tx.emit(OrganisationRegistered(organisation_id=new_id(), roles=("buyer",), name=str(days)))
        await database.pool.execute(
            "update pruned.outbox set published_at = now() - make_interval(days => $2) where event_id = $1",
            event_id,
            days,
        )


async def left(database: Database, column: str, table: str) -> list[str]:
    rows = await database.pool.fetch(f"select {column} as found from pruned.{table} order by 1")
    return [row["found"] for row in rows]


async def test_a_published_event_is_deleted_after_its_days_and_an_unpublished_one_is_not(database: Database) -> None:
    await events(database, 8, 6, None)
    await database.pool.execute(
        "update pruned.outbox set set_aside_at = now() - interval '1 year' where published_at is null"
    )
    await sweep(database)
    assert await left(database, "convert_from(data, 'UTF8')::json->>'name'", "outbox") == ["6", "None"]
    await database.pool.execute("update pruned.outbox set published_at = set_aside_at where set_aside_at is not null")
    await sweep(database, Keep(published_rows=0))
    found = await left(database, "convert_from(data, 'UTF8')::json->>'name'", "outbox")
    assert "None" in found, "it was dismissed, not sent"


async def test_the_newest_of_many_published_events_are_kept(database: Database) -> None:
    await events(database, *[0] * 10)
    await sweep(database, Keep(published_rows=3))
    assert len(await left(database, "position::text", "outbox")) == 10, "a backup may need them"
    await database.pool.execute("update pruned.outbox set published_at = now() - interval '121 minutes'")
    await sweep(database, Keep(published_rows=3))
    assert await left(database, "position::text", "outbox") == ["10", "8", "9"]


async def test_a_claim_is_deleted_after_its_days_and_its_topic_is_marked_as_forgotten(database: Database) -> None:
    async with database.transaction(SERVICE) as tx:
        await tx.claim(["old", "young"])
    await database.pool.execute(
        "update pruned.inbox set handled_at = now() - interval '61 days' where event_id = 'old'"
    )
    await sweep(database)
    assert await left(database, "event_id", "inbox") == ["young"]
    days = await database.pool.fetchval("select now() - before from pruned.forgotten where topic = $1", TOPIC)
    assert timedelta(days=60) <= days < timedelta(days=60, hours=1)


async def test_no_topic_is_marked_as_forgotten_while_all_claims_are_there(database: Database) -> None:
    async with database.transaction(SERVICE) as tx:
        await tx.claim(["young"])
    await sweep(database)
    assert await left(database, "topic", "forgotten") == []


async def test_an_answer_to_a_request_is_deleted_after_its_days(database: Database) -> None:
    async with database.transaction(SERVICE) as tx:
        await (await tx.raw()).execute(
            "insert into pruned.requests (request_key, answer) values ('old', ''), ('young', '')"
        )
    await database.pool.execute(
        "update pruned.requests set answered_at = now() - interval '31 days' where request_key = 'old'"
    )
    await sweep(database)
    assert await left(database, "request_key", "requests") == ["young"]


async def test_a_step_looks_at_few_pages_and_a_sweep_at_all(database: Database) -> None:
    await database.pool.execute(
        "insert into pruned.inbox select repeat('x', 500) || n, now() - interval '61 days' from generate_series(1, 3000) n"
    )
    before = _pruned()
    pruner = Pruner(SERVICE, [TOPIC], USUAL)
    most, total = 0, 3000
    while await step(database, pruner):
        now = await database.pool.fetchval("select count(*) from pruned.inbox")
        most, total = max(most, total - now), now
    assert total == 0
    assert 0 < most <= PAGES * 16
    assert _pruned() - before == 3000


def _pruned() -> float:
    """The counter that Prometheus reads."""
    return REGISTRY.get_sample_value("lonja_rows_pruned_total", {"service": SERVICE, "table": "inbox"}) or 0.0


async def test_a_services_own_rows_are_deleted_by_its_own_rule_and_setting(database: Database) -> None:
    await database.pool.execute("create table pruned.letters (name text, at timestamptz)")
    await database.pool.execute(
        "insert into pruned.letters select n::text, now() - make_interval(days => n) from unnest(array[9, 10, 11]) n"
    )
    own = Prune("letters", "at < now() - $3::interval", lambda keep: timedelta(days=keep.letters_days))
    pruner = Pruner(SERVICE, [TOPIC], Keep(letters_days=10), [own, Prune("letters", "name = '9'")])
    while await step(database, pruner):
        pass
    assert await left(database, "name", "letters") == []
    counted = {"service": SERVICE, "table": "letters"}
    assert REGISTRY.get_sample_value("lonja_rows_pruned_total", counted) == 3


async def test_pruning_waits_for_nobody_who_writes(database: Database) -> None:
    """Another transaction has locked new rows; the sweep still completes."""
    await events(database, 8)
    async with database.transaction(SERVICE) as held:
        await held.claim(["held"])
        held.emit(OrganisationRegistered(organisation_id=new_id(), roles=("buyer",), name="held"))
        await held.flush()
        async with asyncio.timeout(10):
            await sweep(database)
    assert await left(database, "convert_from(data, 'UTF8')::json->>'name'", "outbox") == ["held"]


async def test_a_claim_made_again_after_it_was_forgotten_is_new(database: Database) -> None:
    """This is why docs/operating.md has its rule: an event must not come again after its claim was deleted."""
    async with database.transaction(SERVICE) as tx:
        assert await tx.claim(["old"]) == {"old"}
    await database.pool.execute("update pruned.inbox set handled_at = now() - interval '61 days'")
    await sweep(database)
    async with database.transaction(SERVICE) as tx:
        assert await tx.claim(["old"]) == {"old"}
