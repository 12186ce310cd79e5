"""Lists of auctions in a market that is years old."""

import asyncpg

from infra.ids import new_id
from infra.listing import COUNTED, PAGES
from services.auctions.store import listing
from services.auctions.store.listing import AuctionFilter
from services.auctions.views import PER_PAGE
from tests.explained import recording_queries, rolled_back
from tests.market import Market
from tests.services.auctions.market_builders import a_scene

MANY = 10_000
BOUND = 2_500
"""How many rows one query may read: some pages, and the rows that are counted."""


async def _years_of_auctions(db: asyncpg.Connection, pattern: str) -> None:
    """Insert copies of a closed auction, a minute apart. Every tenth has category 45 and is in Brazil, every thousandth
    has a rare title. Titles have realistic words, so that the database knows which words are frequent."""
    await db.execute(
        """insert into auctions.auctions
           select made.* from auctions.auctions a, generate_series(1, $2::int) n, jsonb_populate_record(a, jsonb_build_object(
               'auction_id', 'years-' || n, 'leaf', null, 'policy', '{}'::jsonb,
               'opened', a.opened - 'policy_text' || jsonb_build_object('auction_id', 'years-' || n),
               'closes_at', a.closes_at - n * interval '1 minute',
               'title', case when n % 1000 = 0 then 'Telescope ' else 'Paper ' end || n || ' lot' || n % 300,
               'category', case when n % 10 = 0 then '45000000' else '30197630' end,
               'country', case when n % 10 = 0 then 'BR' else 'RU' end,
               'region', case when n % 10 = 0 then 'BR-SP' else 'RU-MOW' end)) made where a.auction_id = $1""",
        pattern,
        MANY,
    )
    await db.execute("analyze auctions.auctions")


ASKED = [
    (AuctionFilter(), 1),
    (AuctionFilter(status="closed"), 1),
    (AuctionFilter(status="open"), 1),
    (AuctionFilter(), 20),
    (AuctionFilter(category="45"), 1),
    (AuctionFilter(category="301"), 1),
    (AuctionFilter(region="BR-SP"), 1),
    (AuctionFilter(region="RU"), 1),
    (AuctionFilter(q="telescope"), 1),
    (AuctionFilter(q="paper"), 1),
    (AuctionFilter(q="nothing of that name"), 1),
    (AuctionFilter(q="zzz", category="45", region="BR"), 1),
]


async def test_no_list_reads_all_that_ever_was(market: Market) -> None:
    scene = await a_scene(market)
    await scene.close()
    async with rolled_back(market.resources.database, "auctions") as (_, db):
        await _years_of_auctions(db, scene.auction_id)
        for wanted, number in ASKED:
            async with recording_queries(db) as reading:
                offset = PER_PAGE * (number - 1)
                await listing.search(db, wanted, now=market.clock(), limit=PER_PAGE, offset=offset)
            assert await reading.rows_of(db, "auctions") <= BOUND, wanted


async def test_pages_follow_one_another_and_nothing_is_counted_for_ever(market: Market) -> None:
    scene = await a_scene(market)
    await scene.close()
    async with rolled_back(market.resources.database, "auctions") as (_, db):
        await _years_of_auctions(db, scene.auction_id)

        async def of(wanted: AuctionFilter, number: int = 1) -> listing.Listed[listing.ListedAuction]:
            return await listing.search(db, wanted, now=market.clock(), limit=PER_PAGE, offset=PER_PAGE * (number - 1))

        everything = await of(AuctionFilter(status="closed"))
        assert (everything.total, everything.more, everything.pages(PER_PAGE)) == (COUNTED, True, PAGES)
        closed = await db.fetchval("select count(*) from auctions.auctions where result is not null")
        last = -(-closed // PER_PAGE)
        assert [
            (await of(AuctionFilter(status="closed"), number)).pages(PER_PAGE) for number in (last - 1, last, last + 1)
        ] == [
            PAGES,
            last,
            last,
        ]
        pages = [await of(AuctionFilter(status="closed", category="45"), number) for number in (1, 2, 3)]
        shown = [each.opened.auction_id for found in pages for each in found.rows]
        assert len(set(shown)) == 3 * PER_PAGE
        ends = [each.state.closes_at for found in pages for each in found.rows]
        assert ends == sorted(ends, reverse=True)
        rare = await of(AuctionFilter(q="TELESC"))
        assert (rare.total, rare.more, len(rare.rows)) == (MANY // 1000, False, MANY // 1000)
        assert (await of(AuctionFilter(q="telescope 3000"))).total == 1
        assert (await of(AuctionFilter(q="telescope", region="BR"))).total == MANY // 1000
        assert (await of(AuctionFilter(q="telescope", region="RU-MOW"))).total == 0


async def test_a_line_of_the_list_has_what_the_page_of_the_auction_has(market: Market) -> None:
    scene = await a_scene(market, title=f"Lamps {new_id()}")
    await scene.bid("a", "980")
    await scene.bid("b", "960")
    for _ in range(2):
        async with market.client() as client:
            listed = (await client.get("/api/auctions", params={"q": (await scene.view())["title"]})).json()
        (line,) = listed["auctions"]
        view = await scene.view()
        assert line == {name: view[name] for name in line}
        assert (line["price"], line["bids"], line["participants"]) == ("960.00", 2, 2)
        await scene.close()
    assert (line["status"], listed["total"], listed["more"]) == ("closed", 1, False)
