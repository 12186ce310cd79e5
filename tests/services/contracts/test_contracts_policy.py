"""A contract follows the policy under which its process began, even if the file changed since then."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from catalogue.policy import keep_own_in, load, text_of
from tests.market import Market
from tests.services.contracts.market_builders import Town, a_pool, a_town, an_auction
from tests.services.quotes.event_builders import a_request, the_choice

RULES = 'based_on = "moscow"\nworking_day_minutes = 30\n[contract]\nsupplier_offer_days = {}\n'
A_DAY = timedelta(minutes=30)


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


def won_auction(town: Town, text: str) -> tuple[str, list[Any]]:
    opened, *rest, closed = an_auction(town)
    return opened.auction_id, [replace(opened, policy="ours", policy_text=text), *rest, replace(closed, policy="ours")]


def shared_pool(town: Town, text: str) -> tuple[str, list[Any]]:
    opened, auction, allocated = a_pool(town)
    told = [replace(opened, policy="ours", policy_text=text), *auction, replace(allocated, policy_text=text)]
    return opened.pool_id, told


def chosen_quote(town: Town, text: str) -> tuple[str, list[Any]]:
    request = a_request(town.market.clock(), buyer_id=town.school.organisation_id, policy="ours", policy_text=text)
    first = town.suppliers[0].organisation_id
    disclosed, closed = the_choice(request, {first: "9.00"}, chosen=first)
    return request.request_id, [*disclosed, replace(closed, policy_text=text)]


@pytest.mark.parametrize("process", [won_auction, shared_pool, chosen_quote])
async def test_a_contract_keeps_the_number_of_its_policy_after_the_file_changed_and_a_new_one_has_the_new_number(
    town: Town, process: Any, tmp_path: Path
) -> None:
    file = tmp_path / "ours.toml"
    try:
        keep_own_in(tmp_path)
        file.write_text(RULES.format(3))
        began = text_of(load("ours"))
        file.write_text(RULES.format(7))
        for text, days in ((began, 3), (text_of(load("ours")), 7), ("", 7)):
            process_id, told = process(town, text)
            at = town.market.clock()
            await town.tell(*told)
            (contract,) = await town.contracts(process_id)
            due = datetime.fromisoformat(contract["due_at"])
            assert abs(due - at - days * A_DAY) < A_DAY
    finally:
        keep_own_in(None)
