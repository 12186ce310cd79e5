"""Contracts on the real servers: signed, refused, lapsed and passed on, for one buyer and for a pool."""

import asyncio
from decimal import Decimal as D

import pytest
from msgspec import structs

from events.accounts import OrganisationStateChanged
from events.contracts import AwardMade, CascadeAwaitsBuyer, ContractConcluded, ContractDrafted, ContractEnded
from infra.ids import new_id
from tests.market import Market
from tests.services.contracts.market_builders import (
    Town,
    a_pool,
    a_shared_pool,
    a_town,
    a_won_auction,
    an_auction,
    in_time,
)

OFFER, DRAFT, SIGNATURE = "supplier-offer", "buyer-draft", "supplier-signature"


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


async def signed(town: Town, contract_id: str, supplier: int = 0) -> None:
    for member, step in (
        (town.suppliers[supplier], OFFER),
        (town.school, DRAFT),
        (town.suppliers[supplier], SIGNATURE),
    ):
        assert (await town.step(member, contract_id, step))[0] == 201


async def test_both_sides_conclude_it(town: Town) -> None:
    auction_id, contract_id = await a_won_auction(town)
    await signed(town, contract_id)
    (concluded,) = await town.events(ContractConcluded, auction_id)
    assert (concluded.contract_id, concluded.amount, concluded.supplier_name) == (
        contract_id,
        D("800.00"),
        "Supplier 1",
    )
    assert sum(line.amount for line in concluded.lines) == concluded.amount
    shown = await town.read(town.school, f"/api/contracts/{contract_id}")
    assert (shown["state"], shown["waits_for"], shown["due_at"]) == ("concluded", None, None)
    assert [step["member"] for step in shown["steps"]] == [
        "Supplier 1's member",
        "School No. 1's member",
        "Supplier 1's member",
    ]


async def test_a_concluded_one_is_public_without_its_signers_and_an_unsigned_one_is_its_parties(town: Town) -> None:
    auction_id, contract_id = await a_won_auction(town)
    for stranger in (None, town.suppliers[1], town.clinic):
        assert await town.read(stranger, f"/api/contracts/{contract_id}") == 404
        found = await town.read(stranger, "/api/contracts", process=auction_id, mine="false")
        assert found["contracts"] == []
    observer = structs.replace(town.clinic, organisation_id=new_id(), roles=("observer",))
    assert (await town.read(observer, f"/api/contracts/{contract_id}"))["state"] == "running"
    assert (await town.step(town.suppliers[1], contract_id, OFFER))[0] == 404
    await signed(town, contract_id)
    public = await town.read(None, f"/api/contracts/{contract_id}")
    assert (public["amount"], public["supplier_name"]) == ("800.00", "Supplier 1")
    assert [step["member"] for step in public["steps"]] == [None, None, None]
    assert (await town.read(None, "/api/contracts", process=auction_id))["total"] == 1


async def test_the_wrong_side_is_refused_with_the_rule(town: Town) -> None:
    _, contract_id = await a_won_auction(town)
    assert (await town.step(town.school, contract_id, OFFER))[1]["rule"] == "step-of-other-party"
    assert (await town.step(town.school, contract_id, DRAFT))[1]["rule"] == "step-out-of-order"
    agent_of_buyer = structs.replace(town.school, roles=("supplier_agent",))
    assert (await town.step(agent_of_buyer, contract_id, DRAFT))[1]["rule"] == "role-missing"
    await signed(town, contract_id)
    assert (await town.step(town.suppliers[1], contract_id, OFFER))[1]["rule"] == "not-a-party"


async def test_repeated_events_and_requests_take_effect_once(town: Town) -> None:
    events = an_auction(town)
    await town.tell(*events, events[-1])
    process_id = events[0].auction_id
    (contract,) = await town.contracts(process_id)
    for _ in range(2):
        assert (await town.step(town.suppliers[0], contract["contract_id"], OFFER))[0] == 201
    await town.tell(events[-1])
    other, _ = await a_won_auction(town)  # on the same topic, so the repeats have been read
    shown = await town.read(town.school, f"/api/contracts/{contract['contract_id']}")
    assert (shown["step"], [bool(step["taken_at"]) for step in shown["steps"]]) == (DRAFT, [True, False, False])
    assert other != process_id and len(await town.events(ContractDrafted, process_id)) == 1


async def test_nobody_won_or_a_pools_auction_leads_to_nothing_by_itself(town: Town) -> None:
    empty, pooled = an_auction(town, amounts=()), an_auction(town, pool_id=new_id())
    await town.tell(*empty, *pooled)
    await a_won_auction(town)
    for auction in (empty, pooled):
        assert await town.events(AwardMade, auction[0].auction_id) == []


async def test_a_silent_winner_makes_way_for_the_next_at_its_own_price(town: Town) -> None:
    auction_id, contract_id = await a_won_auction(town)
    in_time(town, 31)
    first, second = await town.contracts(auction_id, count=2)
    assert (first["contract_id"], first["state"], second["state"]) == (contract_id, "ended", "running")
    assert (second["supplier_name"], second["amount"], second["rank"]) == ("Supplier 2", "810.01", 2)
    (ended,) = await town.events(ContractEnded, auction_id)
    assert (ended.reason, ended.by, ended.evasion) == ("lapsed", "supplier", True)
    made, lost, again = await town.events(AwardMade, auction_id)
    assert (made.award_id, [made.cancelled, lost.cancelled, again.cancelled]) == (lost.award_id, [False, True, False])
    assert (await town.step(town.suppliers[0], contract_id, OFFER))[1]["rule"] == "contract-over"
    assert await town.read(town.suppliers[0], f"/api/contracts/{second['contract_id']}") == 404
    await signed(town, second["contract_id"], supplier=1)


async def test_a_refusal_is_explained_and_from_the_third_on_the_buyer_asks(town: Town) -> None:
    auction_id, contract_id = await a_won_auction(town)
    path = f"/api/contracts/{contract_id}/refuse"
    assert (await town.post(town.suppliers[0], path, {"explanation": "  "}))[1]["rule"] == "refusal-unexplained"
    status, shown = await town.refuse(town.suppliers[0], contract_id)
    assert (status, shown["state"], shown["ending"]["explanation"]) == (201, "ended", "Our mill burnt down")
    _, second = await town.contracts(auction_id, count=2)
    status, shown = await town.refuse(town.suppliers[1], second["contract_id"])
    assert (shown["ending"]["next_rank"], shown["waits_for"]) == (3, town.school.organisation_id)
    (awaits,) = await town.events(CascadeAwaitsBuyer, auction_id)
    assert (awaits.next_rank, awaits.contract_id) == (3, second["contract_id"])
    activate = f"/api/contracts/{second['contract_id']}/activate"
    assert (await town.post(town.clinic, activate))[0] == 404
    for _ in range(2):
        status, answer = await town.post(town.school, activate)
        assert (status, answer["total"], answer["contracts"][2]["amount"]) == (201, 3, "850.00")
    assert answer["contracts"][1]["waits_for"] is None
    third = answer["contracts"][2]["contract_id"]
    await town.refuse(town.suppliers[2], third)
    assert [ended.evasion for ended in await town.events(ContractEnded, auction_id)] == [True, True, False]


async def test_a_suspended_bidder_is_passed_over(town: Town) -> None:
    auction_id, contract_id = await a_won_auction(town)
    second = town.suppliers[1].organisation_id
    await town.tell(OrganisationStateChanged(organisation_id=second, state="suspended", reason="evasion"))
    query = "select state = 'suspended' as so from contracts.organisations where organisation_id = $1"

    async def suspended() -> bool:
        return bool((await town.market.fetch(query, second))[0]["so"])

    await town.market.eventually(suspended)
    _, shown = await town.refuse(town.suppliers[0], contract_id)
    assert shown["ending"]["next_rank"] == 3
    assert len(await town.events(ContractDrafted, auction_id)) == 1


async def test_a_buyer_who_does_not_send_the_draft_ends_it(town: Town) -> None:
    auction_id, contract_id = await a_won_auction(town)
    await town.step(town.suppliers[0], contract_id, OFFER)
    in_time(town, 31)

    async def ended() -> bool:
        return bool((await town.read(town.school, f"/api/contracts/{contract_id}"))["state"] == "ended")

    await town.market.eventually(ended)
    (event,) = await town.events(ContractEnded, auction_id)
    assert (event.by, event.evasion) == ("buyer", False)
    assert len(await town.contracts(auction_id)) == 1


async def test_a_pool_is_one_contract_for_each_member_and_each_goes_its_own_way(town: Town) -> None:
    pool_id = await a_shared_pool(town)
    (schools,) = await town.contracts(pool_id)
    (clinics,) = await town.contracts(pool_id, town.clinic)
    assert (schools["amount"], clinics["amount"], schools["pool_id"]) == ("480.00", "320.00", pool_id)
    assert await town.read(town.clinic, f"/api/contracts/{schools['contract_id']}") == 404
    await signed(town, schools["contract_id"])
    await town.refuse(town.suppliers[0], clinics["contract_id"])
    _, second = await town.contracts(pool_id, town.clinic, count=2)
    assert (second["supplier_name"], second["amount"]) == ("Supplier 2", "324.00")  # 320 x 810.01 / 800, half-even
    assert len(await town.events(ContractDrafted, pool_id)) == 3


async def test_a_members_contract_lapses_only_once_all_bids_of_the_pools_auction_are_known(town: Town) -> None:
    opened, (auction, first, *others, closed), allocated = a_pool(town)
    await town.tell(opened, allocated)
    (contract,) = await town.contracts(opened.pool_id)
    in_time(town, 31)
    _, problem = await town.refuse(town.school, contract["contract_id"])
    assert problem["rule"] == "step-overdue"
    await town.tell(auction, first)
    await asyncio.sleep(2.5)  # the timer runs each second: with the first bid alone there would be nobody left to ask
    assert [each["state"] for each in await town.contracts(opened.pool_id)] == ["running"]
    await town.tell(*others, closed)
    await town.contracts(opened.pool_id, count=2)
