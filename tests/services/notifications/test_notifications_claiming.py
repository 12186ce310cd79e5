"""An event leads to a few statements and a limited number of letters, however many members its organisation has."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest

from events.contracts import PurchaseAnswered
from infra.database import Transaction
from services.notifications import duties
from services.notifications.duties import MOST_TOLD
from tests.explained import rolled_back
from tests.market import Market
from tests.services.notifications.test_notifications_duties import an_officer, drafted, taken
from tests.services.notifications.test_notifications_service import Server, an_agent, server
from tests.services.notifications.test_notifications_turns import requested

__all__ = ["server"]
MEMBERS = 1000


async def _many_members(db: asyncpg.Connection, of: str) -> None:
    await db.execute(
        "insert into notifications.members select made.* from notifications.members one, generate_series(1, $2::int) n,"
        " jsonb_populate_record(one, jsonb_build_object('member_id', one.member_id || '-' || n,"
        " 'stopped', case when n % 3 = 0 then 'no such address' end,"
        " 'topics', case when n % 5 = 0 then '[\"digest\"]' else '[\"digest\", \"duties\"]' end::jsonb)) made"
        " where one.member_id = $1",
        of,
        MEMBERS,
    )


async def _letters(db: asyncpg.Connection, organisation_id: str) -> list[asyncpg.Record]:
    return list(
        await db.fetch(
            "select member_id, about, turn, moot from notifications.letters where body ->> 'organisation_id' = $1 order by turn",
            organisation_id,
        )
    )


class Statements:
    """Records the statements of the driver."""

    def __init__(self, db: asyncpg.Connection) -> None:
        self._db = db
        self.count = 0

    def _hear(self, _: Any) -> None:
        self.count += 1

    async def __aenter__(self) -> "Statements":
        self._db.add_query_logger(self._hear)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._db.execute("select 1")  # the driver reports a statement in a later step of the loop
        self._db.remove_query_logger(self._hear)


async def _ask(tx: Transaction, market: Market, events: list[Any]) -> None:
    reaction = duties.reactions[type(events[0])]
    assert reaction.most > 1, "one call for each event"
    await reaction.run(tx, [SimpleNamespace(event=event) for event in events])


@pytest.mark.parametrize("events", [1, 40])
async def test_a_thousand_members_cost_a_few_statements_and_a_bounded_number_of_letters(
    market: Market, server: Server, events: int
) -> None:
    agent = await an_agent(market)
    async with rolled_back(market.resources.database.of("notifications"), "notifications") as (tx, db):
        await _many_members(db, agent.member_id)
        many = [requested(market, agent, "eager") for _ in range(events)]
        async with Statements(db) as sent:
            await _ask(tx, market, many)
        letters = await _letters(db, agent.supplier_id)
        assert len(letters) == events * MOST_TOLD
        assert sent.count <= 10
        told = [each["member_id"] for each in letters[:MOST_TOLD]]
        assert told == sorted(set(told)) and len({each["member_id"] for each in letters}) == MOST_TOLD
        turns = [each["turn"] for each in letters]
        assert turns == list(range(turns[0], turns[0] + len(letters)))
        stopped = await db.fetchval(
            "select count(*) from notifications.members where member_id = any($1::text[])"
            " and (stopped is not null or not topics @> '{duties}')",
            told,
        )
        assert stopped == 0
        await _ask(tx, market, many)  # a repeat
        assert len(await _letters(db, agent.supplier_id)) == len(letters)
        answered = [
            PurchaseAnswered(
                process_id=each.process_id,
                buyer_id=each.buyer_id,
                supplier_id=each.supplier_id,
                answer="refused",
                reason="",
            )
            for each in many
        ]
        async with Statements(db) as sent:
            await _ask(tx, market, answered)
        assert sent.count <= 2
        assert all(each["moot"] for each in await _letters(db, agent.supplier_id))


async def test_who_waits_beside_a_flood_gets_the_turn_of_its_own_cause(market: Market, server: Server) -> None:
    agent, other = await an_agent(market), await an_agent(market)
    async with rolled_back(market.resources.database.of("notifications"), "notifications") as (tx, db):
        await _many_members(db, agent.member_id)
        await _ask(tx, market, [requested(market, agent, "eager") for _ in range(40)])
        await _ask(tx, market, [requested(market, agent, "eager"), requested(market, other, "calm")])
        flood, [calm] = await _letters(db, agent.supplier_id), await _letters(db, other.supplier_id)
        assert calm["turn"] <= flood[0]["turn"]
        assert flood[-1]["turn"] == flood[0]["turn"] + 41 * MOST_TOLD - 1


async def test_steps_that_come_together_tell_what_still_has_to_be_done(market: Market, server: Server) -> None:
    officer, agent = await an_officer(market), await an_agent(market)
    soon = market.clock() + timedelta(days=2)
    async with rolled_back(market.resources.database.of("notifications"), "notifications") as (tx, db):
        offers = [drafted(market, officer, agent) for _ in range(2)]
        await _ask(tx, market, [*offers])
        steps = [
            taken(offers[0], "supplier-offer", "buyer-draft", soon),
            taken(offers[1], "supplier-offer", "buyer-draft", soon),
            taken(offers[0], "buyer-draft", "supplier-signature", soon),
        ]
        await _ask(tx, market, [*steps])
        rows = await db.fetch(
            "select body -> 'duty' ->> 'what' as what, about from notifications.letters where about like '/contracts/%'"
            " and not moot and about = any($1::text[])",
            [f"/contracts/{each.contract_id}" for each in offers],
        )
        assert sorted((row["what"], row["about"]) for row in rows) == [
            ("buyer-draft", f"/contracts/{offers[1].contract_id}"),
            ("supplier-signature", f"/contracts/{offers[0].contract_id}"),
        ]
