"""Contracts that follow a quick quote, on the real servers."""

from decimal import Decimal as D
from typing import Any

import pytest

from events.contracts import AwardMade, CascadeAwaitsBuyer, ContractEnded
from events.quotes import QuoteRequestOpened
from tests.market import Market
from tests.services.contracts.market_builders import Town, a_town
from tests.services.quotes.event_builders import a_request, the_choice


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


def asked(town: Town) -> QuoteRequestOpened:
    return a_request(
        town.market.clock(), buyer_id=town.school.organisation_id, buyer_name=town.school.organisation_name
    )


async def chosen(town: Town, **prices: str) -> tuple[str, Any]:
    """Return (request, contract). Supplier 1 is chosen at 9; supplier 2 quoted 8."""
    request = asked(town)
    first, second = (supplier.organisation_id for supplier in town.suppliers[:2])
    disclosed, closed = the_choice(request, {first: "9.00", second: "8.00"}, chosen=first)
    await town.tell(*disclosed, closed, closed)
    (contract,) = await town.contracts(request.request_id)
    return request.request_id, contract


async def test_who_is_chosen_signs_first_at_its_own_price(town: Town) -> None:
    request_id, contract = await chosen(town)
    shown = await town.read(town.school, f"/api/contracts/{contract['contract_id']}")
    assert (shown["supplier_name"], shown["amount"], shown["step"]) == ("Supplier 1", "900.00", "supplier-offer")
    assert [line["unit_price"] for line in shown["lines"]] == ["9.00"]
    (award,) = await town.events(AwardMade, request_id)
    assert (award.origin, award.method, award.amount) == ("quote", "open", D("900.00"))


async def test_if_it_refuses_the_next_is_asked_only_when_the_buyer_wants_and_at_its_own_lines(town: Town) -> None:
    request_id, contract = await chosen(town)
    await town.refuse(town.suppliers[0], contract["contract_id"])
    assert [event.next_rank for event in await town.events(CascadeAwaitsBuyer, request_id)] == [2]
    assert len(await town.contracts(request_id)) == 1
    status, _ = await town.post(town.school, f"/api/contracts/{contract['contract_id']}/activate")
    assert status == 201
    _, second = await town.contracts(request_id, count=2)
    assert (second["supplier_name"], second["amount"]) == ("Supplier 2", "800.00")
    shown = await town.read(town.school, f"/api/contracts/{second['contract_id']}")
    assert [line["unit_price"] for line in shown["lines"]] == ["8.00"]
    assert len(await town.events(ContractEnded, request_id)) == 1


async def test_where_nobody_is_chosen_there_is_nothing_to_sign(town: Town) -> None:
    request = asked(town)
    disclosed, closed = the_choice(request, {town.suppliers[0].organisation_id: "9.00"}, chosen=None)
    await town.tell(*disclosed, closed)
    await chosen(town)  # it arrives after it
    assert (await town.read(town.school, "/api/contracts", process=request.request_id))["contracts"] == []
