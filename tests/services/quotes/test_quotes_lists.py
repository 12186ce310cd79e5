"""Lists of requests in a market that is years old, with requests that have many quotes."""

from datetime import timedelta
from pathlib import Path

import asyncpg
import msgspec

import events
from infra.listing import COUNTED, PAGES
from services.quotes import store
from services.quotes.store.listing import RequestFilter, search
from services.quotes.views import PER_PAGE
from tests.explained import recording_queries, rolled_back
from tests.market import Market
from tests.services.quotes.test_quotes_service import a_buyer, asked, in_stage, seen, two_quotes

MANY = 10_000
EXAMPLE = Path(events.__file__).parent / "examples" / "lonja.catalogue.SkuPublished.v1.json"
BOUND = 2_500
"""How many rows one query may read: some pages, and the rows that are counted."""
ASKED = [
    (RequestFilter(), 1),
    (RequestFilter(), 20),
    (RequestFilter(group="open"), 1),
    (RequestFilter(group="choosing"), 1),
    (RequestFilter(group="closed"), 1),
    (RequestFilter(group="closed", category="45"), 1),
    (RequestFilter(category="301"), 1),
    (RequestFilter(region="BR-SP"), 1),
    (RequestFilter(region="RU"), 1),
    (RequestFilter(words="telescope"), 1),
    (RequestFilter(words="paper"), 1),
    (RequestFilter(words="nothing of that name", group="closed"), 1),
    (RequestFilter(buyer_id="nobody"), 1),
]


async def _years_of_requests(db: asyncpg.Connection, pattern: str) -> None:
    """Insert copies of a lapsed request, a minute apart. Every tenth has category 45 and is in Brazil, every thousandth
    has a rare title. Titles have realistic words, so that the database knows which words are frequent."""
    await db.execute(
        """insert into quotes.quote_requests
           select made.* from quotes.quote_requests a, generate_series(1, $2::int) n, jsonb_populate_record(a, jsonb_build_object(
               'request_id', 'years-' || n, 'stage', 'lapsed', 'due_at', null, 'attend_at', null,
               'closes_at', a.closes_at - n * interval '1 minute',
               'state', a.state || '{"stage": "lapsed"}',
               'title', case when n % 1000 = 0 then 'Telescope ' else 'Paper ' end || n || ' lot' || n % 300,
               'category', case when n % 10 = 0 then '45000000' else '30197630' end,
               'country', case when n % 10 = 0 then 'BR' else 'RU' end,
               'region', case when n % 10 = 0 then 'BR-SP' else 'RU-MOW' end)) made where a.request_id = $1""",
        pattern,
        MANY,
    )
    await db.execute("analyze quotes.quote_requests")


async def test_no_list_reads_all_that_ever_was(market: Market) -> None:
    request_id = await asked(market, await a_buyer(market))
    async with rolled_back(market.resources.database, "quotes") as (tx, db):
        await _years_of_requests(db, request_id)
        for wanted, number in ASKED:
            async with recording_queries(db) as reading:
                found = await search(tx, wanted, limit=PER_PAGE, offset=PER_PAGE * (number - 1))
            assert await reading.rows_of(db, "quote_requests") <= BOUND, wanted
            if wanted == RequestFilter():
                assert (found.total, found.more, len(found.rows)) == (COUNTED, True, PER_PAGE)
                assert found.pages(PER_PAGE) == PAGES
        all_of_them = await db.fetchval("select count(*) from quotes.quote_requests")
        last = -(-all_of_them // PER_PAGE)
        for number in (last, last + 1, PAGES):
            found = await search(tx, RequestFilter(), limit=PER_PAGE, offset=PER_PAGE * (number - 1))
            assert (found.total, found.more, found.pages(PER_PAGE), bool(found.rows)) == (
                COUNTED,
                True,
                last,
                number == last,
            )


async def test_a_line_of_the_list_has_what_the_page_of_the_request_has(market: Market) -> None:
    request_id, buyer, dear, _ = await two_quotes(market)
    async with market.client(dear) as client:
        assert (await client.delete(f"/api/quotes/{request_id}/mine")).status_code == 200
    async with market.client() as client:
        answer = (await client.get("/api/quotes", params={"q": "READ room"})).json()
    (line,) = [each for each in answer["requests"] if each["request_id"] == request_id]
    whole = await seen(market, request_id)
    assert line == {name: whole[name] for name in line}
    assert line["quotes"] == 1 and line["buyer_id"] == buyer.organisation_id


async def test_a_list_does_not_read_the_quotes(market: Market) -> None:
    """This holds also if the former release stored them in the state with all their lines: the database counts them."""
    request_id, *_ = await two_quotes(market)
    async with rolled_back(market.resources.database, "quotes") as (tx, db):
        await db.execute(
            'update quotes.quote_requests set state = jsonb_set(state, \'{quotes}\', \'{"a": {}, "b": {"withdrawn": true}}\'),'
            " kept_apart = null where request_id = $1",
            request_id,
        )
        found = await search(tx, RequestFilter(group="open"), limit=100, offset=0)
    (line,) = [each for each in found.rows if each.request_id == request_id]
    assert line.quotes == 1


async def test_the_status_in_the_list_follows_the_stage(market: Market) -> None:
    request_id, *_ = await two_quotes(market)
    market.clock.advance(timedelta(minutes=11))
    await in_stage(market, request_id, "choosing")
    async with market.client() as client:
        answer = (await client.get("/api/quotes", params={"group": "choosing"})).json()
    assert [each["status"] for each in answer["requests"] if each["request_id"] == request_id] == ["choosing"]


async def test_skus_are_found_by_words_however_many_there_are(market: Market) -> None:
    body = msgspec.json.encode(msgspec.json.decode(EXAMPLE.read_bytes())["data"])
    async with rolled_back(market.resources.database, "quotes") as (_, db):
        await db.execute(
            """insert into quotes.skus (sku_id, version, body)
               select 'sku-' || n, 1, $1::jsonb || jsonb_build_object('sku_id', 'sku-' || n, 'name',
                   case when n % 1000 = 0 then 'Telescope ' || n else 'Paper for office printers ' || n end)
               from generate_series(1, $2::int) n""",
            body.decode(),
            MANY,
        )
        await db.execute("analyze quotes.skus")
        for words, found in (
            ("paper off", 8),
            ("TELES", 8),
            ("telescope 3000", 1),
            ("paper telescope", 0),
            ("' & !", 0),
        ):
            async with recording_queries(db) as reading:
                skus = await store.skus.named(db, words)
            assert len(skus) == found, words
            assert await reading.rows_of(db, "skus") <= BOUND, words
