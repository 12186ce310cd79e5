"""A version that was read before another decision about it is not written back."""

import asyncio

import httpx

from events.catalogue import SkuArchived
from services.catalogue.handlers.skus import publish
from tests.market import Market
from tests.services.catalogue.market_builders import Stall, a_card


async def until_waiting(market: Market, many: int) -> None:
    waiting = "select count(*) from pg_locks where not granted"
    async with asyncio.timeout(30):
        while await market.resources.database.pool.fetchval(waiting) < many:
            await asyncio.sleep(0.01)


def statuses(answers: list[httpx.Response]) -> list[int]:
    return sorted(each.status_code for each in answers)


async def test_one_of_two_simultaneous_next_versions_is_accepted_and_the_other_author_gets_the_reason(
    market: Market,
) -> None:
    stall = Stall(market)
    sku_id = await stall.published("Lute string of gut")
    path = f"/skus/{sku_id}/versions"
    authors = {"Lute string of silk": stall.buyer, "Lute string of nylon": await stall.supplier()}
    async with market.resources.database.transaction("catalogue") as tx:
        await (await tx.raw()).execute("select from catalogue.skus where sku_id = $1 for update", sku_id)
        tasks = [asyncio.create_task(stall.post(who, path, a_card(name))) for name, who in authors.items()]
        await until_waiting(market, 2)
    answers = await asyncio.gather(*tasks)
    assert statuses(answers) == [201, 503]
    (made,) = [each.json()["sku"]["name"] for each in answers if each.status_code == 201]
    (lost,) = set(authors) - {made}
    cards = await market.fetch(
        "select card->>'name' as name from catalogue.skus where sku_id = $1 and version = 2", sku_id
    )
    assert [row["name"] for row in cards] == [made]
    assert (await stall.post(authors[lost], path, a_card(lost))).json()["rule"] == "wrong-state"


async def test_a_version_that_is_replaced_meanwhile_is_not_archived(market: Market) -> None:
    stall = Stall(market)
    sku_id = await stall.published("Cornett mouthpiece")
    await stall.post(stall.buyer, f"/skus/{sku_id}/versions", a_card("Cornett mouthpiece of horn"))
    reason = {"reason": "no longer made"}
    async with market.resources.database.transaction("catalogue") as tx:
        await publish(tx, sku_id, 2)
        archiving = asyncio.create_task(stall.post(stall.moderator, f"/skus/{sku_id}/archive", reason))
        await until_waiting(market, 1)
    assert (await archiving).status_code == 503
    assert await stall.happened(SkuArchived, sku_id) == []
    archived = await stall.post(stall.moderator, f"/skus/{sku_id}/archive", reason)
    assert (archived.json()["state"], archived.json()["sku"]["version"]) == ("archived", 2)
