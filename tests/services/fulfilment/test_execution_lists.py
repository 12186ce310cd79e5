"""The duties in a market that is years old: what each query reads."""

from datetime import timedelta

import pytest

from services.fulfilment.store import executions
from services.fulfilment.timers import AT_ONCE
from tests.explained import recording_queries
from tests.market import Market
from tests.services.contracts.market_builders import Town, a_town
from tests.services.contracts.test_contract_lists import AGENCY, MANY, years
from tests.services.fulfilment.test_contracts_carried_out import a_signed_contract


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


async def test_what_is_to_be_carried_out_is_read_from_an_index_without_its_state(town: Town) -> None:
    work = await a_signed_contract(town)
    changes = f"""
        'buyer_id', case when n % 2 = 0 then '{AGENCY}' else 'buyer' end,
        'supplier_id', case when n % 3 = 0 then '{AGENCY}' else 'supplier' end,
        'buyer_waits', n % 4 = 0, 'supplier_waits', n % 5 = 0, 'due_at', a.disputed_at,
        'state', jsonb_set(a.state, '{{status}}', (case when n % 7 = 0 then '"closed"' else '"running"' end)::jsonb)
            || jsonb_build_object('contract_id', 'years-' || n)
    """
    async with years(town, "executions", ("contract_id", work.contract_id), changes, "fulfilment") as (_, db):
        await db.execute(
            "update fulfilment.executions set due_at = now() + right(contract_id, -6)::int * interval '1 s'"
            " where contract_id like 'years-%'"
        )
        async with recording_queries(db) as reading:
            found = await executions.waiting_for(db, AGENCY, 50)
        assert await reading.rows_of(db, "executions") <= 200
        assert {each.agenda.of("buyer", town.market.clock())[0].what for each in found} == {"order"}
        await db.execute("update fulfilment.executions set state = '\"novel\"' where contract_id like 'years-%'")
        assert await executions.waiting_for(db, AGENCY, 50) == found, "no state was read"
        await db.execute("update fulfilment.executions set version = version + 1 where contract_id like 'years-%'")
        assert await executions.waiting_for(db, AGENCY, 50) == [], "what a former release wrote is read from the state"
        mine = [n for n in range(1, 999) if (n % 2 == 0 and n % 4 == 0) or (n % 3 == 0 and n % 5 == 0)]
        assert [each.contract_id for each in found] == [f"years-{n}" for n in mine[:50]]


async def test_the_clock_takes_what_is_due_from_an_index_in_portions(town: Town) -> None:
    work = await a_signed_contract(town)
    now = town.market.clock()
    due = "'due_at', now() - n * interval '1 minute'"
    async with years(town, "executions", ("contract_id", work.contract_id), due, "fulfilment") as (tx, db):
        for moment in (now + timedelta(days=9), now - timedelta(days=999)):
            tx.now = moment
            for but in ((), (f"years-{MANY}",)):
                async with recording_queries(db) as reading:
                    found = await executions.lock_due(tx, AT_ONCE, but)
                assert len(found) == (AT_ONCE if moment > now else 0)
                assert await reading.rows_of(db, "executions") <= 2 * AT_ONCE + 1, but
