"""A request key belongs to one caller and one body."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import SQLModel

from catalogue.rules import KeyReused
from events import topics
from infra.clock import system_clock
from infra.database import Database, schema_of
from infra.embedded import Servers
from infra.running import Outdated
from tests.market import empty_database


class Row(SQLModel, registry=schema_of("probe")):
    """Base of the rows of this schema."""


class Desk:
    """Return numbers; ``given`` counts how often it really made one."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.given = 0

    async def ask(self, key: str, body: object = "a", caller: str = "me", act: str = "ask", slowly: float = 0) -> int:
        async with (
            self.database.transaction("probe") as tx,
            tx.once(act, key, caller=caller, body=body, answer=int) as once,
        ):
            if once.first:
                await asyncio.sleep(slowly)
                self.given += 1
                once.answer = self.given
        return once.answer


@pytest.fixture
async def desk(servers: Servers) -> AsyncIterator[Desk]:
    url = await empty_database(servers, "lonja_once")
    database = await Database.connect(url, system_clock, secret=b"of this installation")
    async with database.engine.begin() as connection:
        await connection.execute(text("create schema probe"))
        await connection.run_sync(Row.metadata.create_all)
    yield Desk(database)
    await database.close()


async def test_the_same_request_gets_the_first_answer(desk: Desk) -> None:
    body = {"amount": "1", "of": ["x"]}
    assert [await desk.ask("k", body), await desk.ask("k", dict(reversed(body.items())))] == [1, 1]
    assert desk.given == 1


async def test_a_request_is_known_by_the_form_in_which_the_former_release_stored_it(desk: Desk) -> None:
    assert await desk.ask("k", {"vat": 20}) == 1
    async with (
        desk.database.transaction("probe") as tx,
        tx.once("ask", "k", caller="me", body={"vat": None}, answer=int, former_bodies=[{"vat": 20}]) as once,
    ):
        assert once.answer == 1
    with pytest.raises(KeyReused):
        await desk.ask("k", {"vat": None})


async def test_a_request_that_this_release_stored_is_not_known_by_the_former_form_of_another_one(desk: Desk) -> None:
    async def ask(body: object) -> int:
        async with (
            desk.database.transaction("probe") as tx,
            tx.once("ask", "k", caller="me", body=body, answer=int, former_bodies=[{"vat": 20}]) as once,
        ):
            if once.first:
                once.answer = 1
        return once.answer

    assert [await ask({"vat": 20}), await ask({"vat": 20})] == [1, 1]
    with pytest.raises(KeyReused):
        await ask({"vat": None})
    assert await desk.ask("k", {"vat": 20}) == 1, "the former release knows it too"


async def test_another_body_under_the_key_is_refused_and_changes_nothing(desk: Desk) -> None:
    await desk.ask("k", "a")
    with pytest.raises(KeyReused):
        await desk.ask("k", "b")
    assert (await desk.ask("k", "a"), desk.given) == (1, 1)


async def test_another_callers_equal_key_and_another_act_are_other_requests(desk: Desk) -> None:
    assert [await desk.ask("k"), await desk.ask("k", caller="you"), await desk.ask("k", act="beg")] == [1, 2, 3]


async def test_nobody_known_shares_a_key_only_with_who_sends_the_same(desk: Desk) -> None:
    assert await desk.ask("k", ["me", "my password"], caller="") == 1
    with pytest.raises(KeyReused):
        await desk.ask("k", ["me", "a guess"], caller="")
    assert await desk.ask("k", ["me", "my password"], caller="") == 1


async def test_without_a_key_every_request_is_new(desk: Desk) -> None:
    assert [await desk.ask(""), await desk.ask("")] == [1, 2]


async def test_twins_at_once_do_it_once(desk: Desk) -> None:
    assert await asyncio.gather(*(desk.ask("k", slowly=0.1) for _ in range(5))) == [1] * 5


async def test_what_failed_leaves_the_key_free(desk: Desk) -> None:
    with pytest.raises(ZeroDivisionError):
        async with desk.database.transaction("probe") as tx, tx.once("ask", "k", caller="me", body="b", answer=int):
            raise ZeroDivisionError
    assert await desk.ask("k", "a") == 1


async def test_what_set_no_answer_may_be_asked_again_with_other_content(desk: Desk) -> None:
    async with desk.database.transaction("probe") as tx, tx.once("ask", "k", caller="me", body="b", answer=int) as once:
        assert once.first
    assert not once.answered and await desk.ask("k", "a") == 1


async def test_the_former_releases_rows_answer_their_key_whatever_the_body(desk: Desk) -> None:
    await desk.database.pool.execute("insert into probe.requests (request_key, answer) values ('ask/me/k', '7')")
    assert await desk.ask("k", "anything") == 7


async def test_a_repeat_that_another_service_answered_meanwhile_changes_nothing(desk: Desk) -> None:
    row = "insert into probe.requests (request_key, answer) values ('ask/me/k', '7')"
    with pytest.raises(Outdated):
        async with (
            desk.database.transaction("probe") as tx,
            tx.once("ask", "k", caller="me", body="b", answer=int) as once,
        ):
            await desk.database.pool.execute(row)
            once.answer = 8
    assert await desk.ask("k") == 7


async def test_a_repeat_waits_for_the_former_release_which_asks_another_service(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(topics.FORMER, "probe", "former")
    async with desk.database.pool.acquire() as there:
        async with there.transaction():
            await there.execute("select pg_advisory_xact_lock(hashtextextended('former/ask/me/k', 0))")
            waiting = asyncio.create_task(desk.ask("k"))
            await until_waiting(there)
            await there.execute("insert into probe.requests (request_key, answer) values ('ask/me/k', '7')")
        assert (await waiting, desk.given) == (7, 0)


async def until_waiting(db: Any) -> None:
    while not await db.fetchval("select exists (select from pg_locks where locktype = 'advisory' and not granted)"):
        await asyncio.sleep(0.01)


async def test_bodies_are_kept_as_digests_that_only_this_installation_can_make(desk: Desk) -> None:
    await desk.ask("k", "my password")
    (row,) = await desk.database.pool.fetch("select * from probe.requests")
    assert row["caller"] == "me" and len(row["body_digest"]) == 32
    other = await Database.connect(desk.database.url, system_clock, secret=b"of another")
    with pytest.raises(KeyReused):
        await Desk(other).ask("k", "my password")
    await other.close()


async def test_the_random_part_of_an_answer_is_the_same_for_a_repeat_and_is_not_stored(desk: Desk) -> None:
    seen = []
    for key in ("k", "k", "l"):
        async with (
            desk.database.transaction("probe") as tx,
            tx.once("ask", key, caller="me", body="b", answer=str) as once,
        ):
            seen.append(once.random)
            if once.first:
                once.answer = "done"
    assert seen[0] == seen[1] != seen[2] and len(seen[0]) == 32
    stored = str([dict(row) for row in await desk.database.pool.fetch("select * from probe.requests")])
    assert repr(seen[0])[2:-1] not in stored and seen[0].hex() not in stored


@pytest.mark.parametrize("key", ["\x00odd\x00", "ключ" * 1000, "a/b"])
async def test_any_text_is_a_key(desk: Desk, key: str) -> None:
    assert [await desk.ask(key), await desk.ask(key)] == [1, 1]
    with pytest.raises(KeyReused):
        await desk.ask(key, "b")
