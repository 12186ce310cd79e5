"""Auctions with rows that only a newer release can read: SKUs, earlier contracts, lines of a log."""

from infra.listing import COUNTED
from services.auctions.store import past
from tests.explained import recording_queries, rolled_back
from tests.market import Market
from tests.services.auctions.market_builders import a_scene, an_organisation
from tests.services.auctions.test_auction_compose import a_contract, concluded
from tests.services.auctions.test_auction_pages import a_referenced_sku
from tests.unreadable import (
    in_health,
    lists,
    one_line_is_strange,
    only_a_newer_release_reads,
    says_so,
    says_so_in_place,
)

MANY = 10_000
STRANGE = "verdict = '\\x7b7d'::bytea"


async def test_a_sku_that_cannot_be_read_affects_only_its_own_form(market: Market) -> None:
    buyer, skus = await an_organisation(market, "buyer"), [await a_referenced_sku(market) for _ in range(2)]
    key = ("sku_id", skus[0])
    async with (
        only_a_newer_release_reads(market, "auctions.skus", key, "body.attributes"),
        market.client(buyer) as client,
    ):
        await says_so(client, f"/auctions/new?sku={skus[0]}")
        assert skus[0] in in_health("auctions.skus").detail
        for path in ("/auctions/new", f"/auctions/new?sku={skus[1]}"):
            await lists(client, path)
    async with market.client(buyer) as client:
        assert skus[0] in await lists(client, f"/auctions/new?sku={skus[0]}")


async def test_a_past_contract_that_cannot_be_read_does_not_affect_the_others(market: Market) -> None:
    buyer, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market)
    whole, strange = (a_contract(market, buyer.organisation_id, sku_id, "240") for _ in range(2))
    await concluded(market, whole, strange)
    key = ("contract_id", strange.contract_id)
    async with (
        only_a_newer_release_reads(market, "auctions.past_contracts", key, "body.lines"),
        market.client(buyer) as client,
    ):
        for path in ("/auctions/new/history", "/auctions/new/history?q=paper"):
            said = await lists(client, path)
            assert whole.contract_id in said and strange.contract_id not in said
        await lists(client, f"/auctions/new?sku={sku_id}")  # with or without the last price
        await says_so(client, f"/auctions/new?contract={strange.contract_id}")
        assert strange.contract_id in in_health("auctions.past_contracts").detail


async def test_a_verdict_that_cannot_be_read_says_so_in_its_place(market: Market) -> None:
    scene = await a_scene(market)
    for who, amount in (("a", "970"), ("b", "940"), ("a", "910")):
        assert (await scene.bid(who, amount)).status_code in (200, 201)
    await scene.close()
    where = f"auction_id = '{scene.auction_id}' and sequence = 1"
    async with one_line_is_strange(market, "auctions.bids", where, STRANGE):
        await says_so_in_place(market, None, f"/auctions/{scene.auction_id}", "910")
        await says_so_in_place(market, scene.suppliers["a"], f"/auctions/{scene.auction_id}/receipts", "910")
        async with market.client() as client:
            verdicts = (await client.get(f"/api/auctions/{scene.auction_id}/bids")).json()
    assert [each["event"]["sequence"] for each in verdicts] == [3, 2]


async def test_what_was_bought_before_is_found_however_much_there_is(market: Market) -> None:
    buyer, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market)
    contract = a_contract(market, buyer.organisation_id, sku_id, "240")
    await concluded(market, contract)
    async with rolled_back(market.resources.database, "auctions") as (_, db):
        await db.execute(
            "insert into auctions.past_contracts select made.* from auctions.past_contracts a, generate_series(1, $2::int) n,"
            " jsonb_populate_record(a, jsonb_build_object('contract_id', 'years-' || n,"
            " 'signed_at', a.signed_at - n * interval '1 minute',"
            " 'buyer_id', case when n % 2 = 0 then a.buyer_id else 'b' || n % 99 end,"
            " 'body', a.body || jsonb_build_object('contract_id', 'years-' || n,"
            " 'title', case when n % 1000 = 0 then 'Telescope ' else 'Paper ' end || n || ' lot' || n % 300))) made"
            " where a.contract_id = $1",
            contract.contract_id,
            MANY,
        )
        await db.execute("analyze auctions.past_contracts")
        for words, found in (("", 24), ("telescope", 10), ("TELE", 10), ("paper", 24), ("zzzz", 0), ("paper zzzz", 0)):
            async with recording_queries(db) as reading:
                rows = await past.of_buyer(db, buyer.organisation_id, words, 24)
            assert len(rows) == found, words
            assert await reading.rows_of(db, "past_contracts") <= COUNTED, words
