"""Openings that end late need no work until the horizon reaches them; and one buyer does not fill a list."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec

from catalogue.policy import load
from events.auctions import AuctionOpened
from events.recommender import RecommendationsMade
from events.values import Place
from infra.database import Transaction
from infra.ids import new_id
from services.recommender.store import advice
from services.recommender.store.openings import candidates, close, horizon, reach, uninvited
from tests.explained import recording_queries, rolled_back
from tests.market import Market
from tests.services.quotes.event_builders import a_request
from tests.services.recommender.builders import a_pool, a_supplier, agent_of, an_auction, officer_of
from tests.services.recommender.test_recommender_lists import closed, its_own_trade, listed, until_gone, until_listed

FAR = timedelta(days=900)
AHEAD = 20_000


async def asked(market: Market) -> int:
    """How often lists were marked to be made again."""
    rows = await market.fetch("select coalesce(sum(asked), 0)::int as n from recommender.work")
    return int(rows[0]["n"])


def test_the_horizon_moves_by_whole_hours() -> None:
    days = timedelta(days=load("moscow").recommendation.horizon_days)
    assert days == timedelta(days=60)
    at = datetime(2026, 11, 29, 12, tzinfo=UTC)
    for minutes in (0, 59):
        assert horizon("moscow", at + timedelta(minutes=minutes)) == at + days


async def test_what_ends_years_ahead_makes_no_list_anew_and_is_in_none(market: Market) -> None:
    trade = its_own_trade()
    supplier, near = a_supplier(trade), an_auction(market.clock(), trade)
    await market.publish(supplier, near)
    await until_listed(market, supplier.organisation_id, near.auction_id)
    before = await asked(market)
    buyer = new_id()
    far = [an_auction(market.clock(), trade, buyer_id=buyer, closes_in=FAR, title="Far away") for _ in range(30)]
    request = msgspec.structs.replace(a_request(market.clock(), category=trade), closes_at=market.clock() + FAR)
    pool = msgspec.structs.replace(a_pool(market.clock(), trade), enrolment_ends_at=market.clock() + FAR)
    await market.publish(*far, request, pool)

    async def known() -> bool:
        ids = [*(one.auction_id for one in far), request.request_id, pool.pool_id]
        query = "select count(*) from recommender.opportunities where opportunity_id = any($1::text[])"
        return bool((await market.fetch(query, ids))[0]["count"] == 32)

    await market.eventually(known)
    await market.publish(*(closed(one) for one in far[:10]))

    async def over() -> bool:
        query = "select count(*) from recommender.opportunities where opportunity_id = any($1::text[]) and not open"
        return bool((await market.fetch(query, [one.auction_id for one in far[:10]]))[0]["count"] == 10)

    await market.eventually(over)
    marker = a_supplier(trade)
    await market.publish(marker)
    await until_listed(market, marker.organisation_id, near.auction_id)
    assert set(await listed(market, marker.organisation_id)) == {near.auction_id}
    assert await asked(market) == before
    async with market.browser(officer_of(buyer)) as browser:
        page = await browser.get("/recommendations/suppliers", auction=far[-1].auction_id)
        assert "ends within 60 days" in page.text


async def test_it_is_recommended_when_the_horizon_comes_to_it(market: Market) -> None:
    trade = its_own_trade()
    supplier = a_supplier(trade)
    until = horizon(market.resources.config.policy, market.clock()) - market.clock()
    soon, later = [
        an_auction(market.clock(), trade, closes_in=until + timedelta(minutes=minutes)) for minutes in (-1, 30)
    ]
    await market.publish(supplier, later, soon)
    await until_listed(market, supplier.organisation_id, soon.auction_id)
    assert later.auction_id not in await listed(market, supplier.organisation_id)
    market.clock.advance(timedelta(hours=1, minutes=1))
    await until_listed(market, supplier.organisation_id, later.auction_id)
    async with market.client(agent_of(supplier.organisation_id)) as client:
        items = (await client.get("/api/recommendations")).json()["items"]
    assert {item["opportunity_id"] for item in items} == {soon.auction_id, later.auction_id}
    await market.publish(closed(later))
    await until_gone(market, supplier.organisation_id, later.auction_id)


async def test_who_opens_hundreds_leaves_room_for_others_in_list_page_and_answer(market: Market) -> None:
    trade = its_own_trade()
    supplier = a_supplier(trade)

    def opened(buyer: str, number: int) -> AuctionOpened:
        return msgspec.structs.replace(
            an_auction(market.clock(), trade, place=Place(), title=f"{buyer} {number}"), buyer_name=buyer
        )

    crowd = [opened("Crowd", number) for number in range(60)]
    others = [opened(f"Other {number % 9}", number) for number in range(18)]
    await market.publish(*crowd, *others, supplier)

    async def whole() -> RecommendationsMade:
        made = await market.published("recommender", RecommendationsMade)
        last = [one for one in made if one.supplier_id == supplier.organisation_id][-1]
        crowded = [Counter(item.buyer_name for item in last.items[:count])["Crowd"] for count in (10, 20)]
        assert (len(last.items), crowded) == (20, [3, 6])
        return last

    items = (await market.eventually(whole, 90)).items
    async with market.client(agent_of(supplier.organisation_id)) as client:
        answer = (await client.get("/api/recommendations")).json()["items"]
    assert [one["opportunity_id"] for one in answer] == [one.opportunity_id for one in items]
    async with market.browser(agent_of(supplier.organisation_id)) as browser:
        page = (await browser.get("/recommendations")).text
    places = [page.index(f">{item.title}</a>") for item in items]
    assert places == sorted(places)


async def _far_away(tx: Transaction, number: int) -> None:
    await (await tx.raw()).execute(
        """insert into recommender.opportunities (opportunity_id, kind, open, native, title, buyer_id, buyer_name, region, city,
               category, method, currency, path, closes_at)
           select 'ahead-' || n, 'auction', true, true, '', 'one buyer', 'One buyer', '', '', 'CPV:30197630', 'open', 'RUB', '',
               now() + interval '2 years' + n * interval '1 second' from generate_series(1, $1::int) n""",
        number,
    )


async def test_openings_beyond_the_horizon_are_not_read(market: Market) -> None:
    async with rolled_back(market.resources.database, "recommender") as (tx, db):
        until = horizon(market.resources.config.policy, tx.now)
        await reach(tx, until)
        here = len(await candidates(tx, until))
        await _far_away(tx, AHEAD)
        await db.execute("analyze recommender.opportunities")
        async with recording_queries(db) as reading:
            assert not await reach(tx, until)
            assert len(await candidates(tx, until)) == here
            await uninvited(tx, until)
            await advice.made(tx, "nobody", until)
        assert await reading.rows_of(db, "opportunities") <= 500 < AHEAD


async def test_each_is_come_to_once_and_one_that_nobody_saw_closes_unseen(market: Market) -> None:
    async with rolled_back(market.resources.database, "recommender") as (tx, _):
        until = tx.now + timedelta(days=900)
        await reach(tx, tx.now + timedelta(days=700))
        await _far_away(tx, 3)
        assert not await close(tx, "ahead-1")
        assert await reach(tx, until)
        assert not await reach(tx, until)
        assert [await close(tx, f"ahead-{number}") for number in (1, 2, 2, 3)] == [False, True, False, True]


async def test_a_long_history_of_awards_is_not_counted_whole(market: Market) -> None:
    async with rolled_back(market.resources.database, "recommender") as (tx, db):
        await db.execute(
            """insert into recommender.awards (award_id, supplier_id, process_id, kind, buyer_name, region, city, category, method,
                   title, awarded_on, cancelled, heard_at)
               select 'size-' || n, '', '', 'award', '', '', '', '', '', '', now(), false, now() - n * interval '1 second'
               from generate_series(1, $1::int) n""",
            AHEAD,
        )
        await db.execute("analyze recommender.awards")
        async with recording_queries(db) as reading:
            assert await advice.count_awards(tx, 1000) == 1001
            await advice.last_heard(tx)
        assert await reading.rows_of(db, "awards") <= 1001
