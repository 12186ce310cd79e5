"""What a pool with many members costs: a few statements, both for the division of its result and for the event of one
contract."""

import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from catalogue.rules import DoneOtherwise
from events.accounts import OrganisationRegistered
from events.contracts import ContractConcluded, ContractDrafted, ContractEnded
from events.envelope import Envelope
from events.pools import PoolAllocated
from events.values import Place
from infra.database import Transaction
from infra.ids import new_id
from services.pools import handlers, store
from services.pools.domain import Past, Pool, PoolStage, WithdrawEnrolment
from services.pools.domain.enrolment import MOST_CHANGES, MOST_MEMBERS, EnrolmentChangedTooOften, NotEnrolled
from services.pools.store import PoolContract, StoredPool
from tests.explained import recording_queries, rolled_back
from tests.market import Market
from tests.services.pools.test_pools_lifecycle import PAPER, Story, an_enrolment, demand
from tests.services.pools.test_pools_service import a_reference, concluded, drafted, ended

FEW, MANY = 2, MOST_MEMBERS
PLACES = [Place(country="RU", region="RU-MOW", locality=f"Town {number}") for number in range(7)]


def a_story(members: int) -> Story:
    """Return a pool in which all members want one pack of paper, while its mini-auction runs."""
    line = msgspec.structs.replace(PAPER, sku_id=new_id(), vat_rate=Decimal(20), vat_included=False)
    story = Story(pool_id=new_id(), lines=(line,), lead_id=new_id())
    (enrolled,) = story.enrols("first", paper="50").pool.members.values()
    many = {
        f"m{number:03}": msgspec.structs.replace(
            enrolled, member_id=f"m{number:03}", member_name=f"School {number}", place=PLACES[number % len(PLACES)]
        )
        for number in range(members)
    }
    story.pool = msgspec.structs.replace(story.pool, members=many)
    return story.sourced(story.pool.opened.lead_id)


async def kept(tx: Transaction, pool: Pool) -> str:
    await store.save(tx, StoredPool(pool=pool, opened_at=tx.now), None, [])
    return pool.opened.pool_id


async def an_allocated(tx: Transaction, members: int) -> str:
    story = a_story(members)
    story.allocated(f"{members * 200}.00")
    return await kept(tx, story.pool)


def a_draft(market: Market, pool_id: str, member_id: str, rank: int = 1) -> ContractDrafted:
    """Build the event of a draft as contracts would publish it."""
    officer: Any = type("Officer", (), {"organisation_id": member_id, "organisation_name": member_id})
    return drafted({"pool_id": pool_id, "opened_at": market.clock()}, officer, rank)


async def tell(tx: Transaction, *events: ContractDrafted | ContractConcluded | ContractEnded) -> None:
    for event in events:
        envelope = Envelope(
            id="e", type=event.TYPE, source="/test", subject="s", time=tx.now, correlationid="e", causationid="e"
        )
        await handlers.record_contract(tx, event, envelope)


async def has_drafts(tx: Transaction, market: Market, pool_id: str, members: int) -> list[ContractDrafted]:
    drafts = [a_draft(market, pool_id, f"m{number:03}") for number in range(members)]
    for draft in drafts:
        contract = PoolContract(member_id=draft.buyer_id, contract_id=draft.contract_id, state="drafted", at=tx.now)
        await store.put_contract(tx, pool_id, contract)
    return drafts


async def due(tx: Transaction, pool_id: str) -> Any:
    return await (await tx.raw()).fetchval("select due_at from pools.pools where pool_id = $1", pool_id)


def load_the_state(statements: Sequence[str]) -> list[str]:
    return [each for each in statements if "pools.pools" in each and re.search(r"\bstate\b", each)]


async def test_a_contract_of_a_large_pool_costs_its_own_row_and_not_the_pool(market: Market) -> None:
    async with rolled_back(market.resources.database, "pools") as (tx, db):
        spent = []
        for members in (FEW, MANY):
            pool_id = await an_allocated(tx, members)
            first, *_ = await has_drafts(tx, market, pool_id, members)
            second = a_draft(market, pool_id, first.buyer_id, rank=2)
            async with recording_queries(db, tx) as reading:
                await tell(tx, first, ended(first), second, concluded(second), first)
            assert not load_the_state(reading.statements), reading.statements
            assert await due(tx, pool_id) is None
            spent.append(len(reading.statements))
        assert spent[0] == spent[1] <= 20


async def test_the_last_contract_of_a_pool_decides_its_end(market: Market) -> None:
    async with rolled_back(market.resources.database, "pools") as (tx, _):
        pool_id = await an_allocated(tx, FEW)
        one, two = await has_drafts(tx, market, pool_id, FEW)
        await tell(tx, concluded(one))
        assert await due(tx, pool_id) is None
        await tell(tx, concluded(two))
        assert await due(tx, pool_id) == tx.now
        await tell(tx, a_draft(market, pool_id, two.buyer_id, rank=2))
        assert await due(tx, pool_id) is None, "one waits for signatures again"


async def test_a_pool_waits_for_members_whose_contracts_are_not_known_yet(market: Market) -> None:
    async with rolled_back(market.resources.database, "pools") as (tx, _):
        pool_id = await an_allocated(tx, FEW)
        first = a_draft(market, pool_id, "m000")
        await tell(tx, first, concluded(first))
        assert await due(tx, pool_id) is None


@pytest.mark.parametrize("known", [True, False])
async def test_an_event_that_is_repeated_late_or_of_no_pool_changes_nothing(market: Market, known: bool) -> None:
    async with rolled_back(market.resources.database, "pools") as (tx, _):
        pool_id = await an_allocated(tx, FEW) if known else new_id()
        first, second = (a_draft(market, pool_id, "m000", rank=rank) for rank in (1, 2))
        await tell(tx, first, ended(first), second, ended(first), concluded(second), ended(second), second)
        contracts = await store.contracts_of(tx, pool_id)
        if known:
            assert (contracts["m000"].contract_id, contracts["m000"].state) == (second.contract_id, "concluded")
        else:
            assert not contracts


async def test_a_result_is_shared_out_with_as_many_statements_among_many_as_among_few(market: Market) -> None:
    async with rolled_back(market.resources.database, "pools") as (tx, db):
        spent = []
        for members in (FEW, MANY):
            story = a_story(members)
            (line,) = story.pool.opened.lines
            assert line.sku_id is not None
            await store.references.put_all(tx, [a_reference(line.sku_id, "3")])
            pool_id = await kept(tx, story.pool)
            async with recording_queries(db, tx) as reading:
                await handlers.share_out(tx, story.result(f"{members * 200}.00").closed)
                await tx.flush()
            spent.append(len(reading.statements))
            shared = await store.get(await tx.raw(), pool_id)
            assert shared is not None and shared.pool.stage is PoolStage.CONTRACTING
            allocated = shared.pool.allocated
            assert isinstance(allocated, PoolAllocated) and len(allocated.allocations) == members
            # 10 packs of 5 reams at 3.00 a ream
            assert {each.standalone for each in allocated.allocations} == {Decimal("150.00")}
        assert max(spent) <= 10, reading.statements  # the first include two by which the driver learns a type


async def test_if_all_contracts_ended_deadlines_follow_the_time_zone_of_the_buyer(market: Market) -> None:
    async with rolled_back(market.resources.database, "pools") as (tx, _):
        story = a_story(FEW)
        story.allocated("400.00")
        pool_id = await kept(tx, story.pool)
        lead = OrganisationRegistered(
            organisation_id=story.pool.opened.lead_id,
            roles=("buyer",),
            name="Lead",
            place=PLACES[0],
            time_zone="Europe/Moscow",
        )
        await store.organisations.put_all(tx, [lead])
        one, two = await has_drafts(tx, market, pool_id, FEW)
        await tell(tx, ended(one), ended(two))
        assert (await due(tx, pool_id)) > tx.now


async def test_the_log_says_who_joined_and_left_however_many_they_are(market: Market) -> None:
    async with rolled_back(market.resources.database, "pools") as (tx, db):
        story = Story(pool_id=new_id(), lead_id=new_id(), enrolment_ends_at=tx.now + timedelta(days=3))
        pool_id = await kept(tx, story.pool)
        come_and_go = (
            "insert into pools.log (pool_id, type, at, data) select $1, type, now(), jsonb_build_object('member_id', $2 || n % $4,"
            " 'reason', 'no funds') from generate_series(1, $3::int) n, unnest(array['PoolMemberEnrolled', 'PoolMemberWithdrew']) type"
            " order by n, type"
        )
        await db.execute(come_and_go, pool_id, "org-", 5_000, 5_000)
        await db.execute(come_and_go, pool_id, "often-", MOST_CHANGES, 1)
        await db.execute("analyze pools.log")
        async with recording_queries(db, tx) as reading:
            past = await store.past_of(tx, pool_id, "org-7")
            await store.former_enrolment(tx, pool_id, "nobody")
        assert past == Past(told=1, left="no funds")
        assert await reading.rows_of(db, "log") <= 3
        left = WithdrawEnrolment(member_id="org-7", reason="no funds")
        assert (await handlers.act(tx, pool_id, left)).pool.members == {}
        with pytest.raises(DoneOtherwise, match="no funds"):
            await handlers.act(tx, pool_id, WithdrawEnrolment(member_id="org-7", reason="found some"))
        with pytest.raises(NotEnrolled):
            await handlers.act(tx, pool_id, WithdrawEnrolment(member_id="nobody", reason="no funds"))
        with pytest.raises(EnrolmentChangedTooOften):
            await handlers.act(tx, pool_id, an_enrolment("often-0", [demand()]))
        assert "org-7" in (await handlers.act(tx, pool_id, an_enrolment("org-7", [demand()]))).pool.members
        assert await store.past_of(tx, pool_id, "org-7") == Past(told=2, left=None)
