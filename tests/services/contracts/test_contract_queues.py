"""What moderators decide about contracts, and an organisation's own suspensions, are listed by page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from infra.tokens import Principal
from services.contracts.views import QUEUE
from tests.market import Market
from tests.services.conduct.test_sanctions_spoken import evaded, sanctions
from tests.services.contracts.market_builders import Town, a_member, a_town
from tests.services.contracts.test_contracts_objected import a_justified_refusal

MODERATOR = a_member("Operator", "moderator")
WORDS = "x" * 280
EXPECTED = [f"copy {number}{WORDS}" for number in range(1, 2 * QUEUE + 1)]


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


SCHEMAS = {"sanctions": "conduct", "executions": "fulfilment"}
LATER = {
    "refusals": "'decide_by', a.decide_by + n * interval '1 minute'",
    "sanctions": "'decide_by', a.decide_by + n * interval '1 minute', 'since', a.since - n * interval '1 minute'",
    "executions": "'disputed_at', a.disputed_at + n * interval '1 minute', 'due_at', null",
}


@asynccontextmanager
async def copies(town: Town, table: str, key: str, of: str, words: str) -> AsyncIterator[None]:
    """Insert copies of this row for two more pages, each a minute later, with different texts."""
    pool = town.market.resources.database.pool
    rows = f"{SCHEMAS.get(table, 'contracts')}.{table}"
    await pool.execute(
        f"insert into {rows} select made.* from {rows} a, generate_series(1, $2::int) n,"
        f" jsonb_populate_record(a, jsonb_build_object('{key}', 'copy-' || n, 'state', jsonb_set(a.state, $3::text[],"
        f" to_jsonb('copy ' || n || $4::text)), {LATER[table]})) made where a.{key} = $1",
        of,
        2 * QUEUE,
        words.split("."),
        WORDS,
    )
    try:
        yield
    finally:
        await pool.execute(f"delete from {rows} where {key} like 'copy-%'")


async def leafed(town: Town, principal: Principal, path: str) -> list[str]:
    """Return the texts of the whole list in its order. Page and API must show the same."""
    found: list[str] = []
    async with town.market.browser(principal) as browser:
        for number in range(1, 100):
            read: list[Any] = await town.read(principal, f"/api{path}", page=str(number))
            assert len(read) <= QUEUE
            shown = (await browser.get(path, page=str(number))).text
            words = [each["dispute"]["words"] if "dispute" in each else each["reasons"] for each in read]
            assert all(each in shown for each in words)
            found += words
            assert (f'href="{path}?page={number + 1}"' in shown) == ('rel="next"' in shown)
            if 'rel="next"' not in shown:
                assert await town.read(principal, f"/api{path}", page=str(number + 1)) == []
                far = await browser.get(path, page="500")
                assert far.url.params["page"] == str(number) and all(each in far.text for each in words)
                return found
    raise AssertionError("the list has no end")


async def test_disputed_refusals_are_decided_by_page(town: Town) -> None:
    _, contract_id = await a_justified_refusal(town)
    body = {"reasons": "It still delivers"}
    assert (await town.post(town.school, f"/api/contracts/{contract_id}/refusal/dispute", body))[0] == 201
    async with copies(town, "refusals", "contract_id", contract_id, "disputed.reasons"):
        found = await leafed(town, MODERATOR, "/contracts/refusals")
        assert [each for each in found if each.startswith("copy ")] == EXPECTED
        async with town.market.browser(MODERATOR) as browser:
            wrong = await browser.post(f"/contracts/{contract_id}/refusal/decision?page=2", {"explanation": "Kept"})
            assert wrong.status_code == 422 and "Choose one of the two." in wrong.text and found[QUEUE] in wrong.text
            wrong = await browser.post(f"/contracts/{contract_id}/refusal/decision?page=500", {"explanation": "Kept"})
            assert wrong.status_code == 422 and found[-1] in wrong.text, "the list became shorter meanwhile"


async def test_suspensions_and_appeals_are_read_by_page(town: Town) -> None:
    supplier = town.suppliers[0]
    await evaded(town, 3)
    (one,) = await sanctions(town, supplier)
    path = f"/api/contracts/sanctions/{one['sanction_id']}/appeal"
    assert (await town.post(supplier, path, {"reasons": "A flood"}))[0] == 201
    async with copies(town, "sanctions", "sanction_id", one["sanction_id"], "appealed.reasons"):
        found = await leafed(town, MODERATOR, "/contracts/appeals")
        assert [each for each in found if each.startswith("copy ")] == EXPECTED
        assert await leafed(town, supplier, "/contracts/sanctions") == ["A flood", *EXPECTED]
        async with town.market.browser(MODERATOR) as browser:
            target = f"/contracts/appeals/{one['sanction_id']}/decision?page=2"
            wrong = await browser.post(target, {"explanation": "Kept"})
            assert wrong.status_code == 422 and "Choose one of the two." in wrong.text and found[QUEUE] in wrong.text
