"""Lists of items in a market with millions of them, and which items are judged together."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from infra.database import Transaction
from infra.ids import new_id
from infra.listing import COUNTED, PAGES
from services.observatory import store
from services.observatory.store import ItemFilter, listing
from services.observatory.views import PAGE
from tests.explained import Reading, recording_queries, rolled_back
from tests.market import Market
from tests.services.observatory.builders import a_contract, a_sku
from tests.services.observatory.test_observatory_service import Observatory, observatory, three

__all__ = ["observatory"]
pytestmark = pytest.mark.servers
MANY = 30_000
FEW, WALKED = 1_000, 2_000
BOUND = 4_000
"""The most rows of a table that one query may read: those that are scanned, or matched and sorted, and counted."""


@pytest.fixture(autouse=True)
def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "FEW", FEW)
    monkeypatch.setattr(listing, "WALKED", WALKED)
    monkeypatch.setattr(listing, "OF_FIRST", WALKED)


async def _years_of_items(db: asyncpg.Connection) -> None:
    """Make items, half of them without prices. Of the others, the first third has references, every hundredth with
    grade A; only the last third has category 45 and the name beams; every thousandth is a telescope."""
    await db.execute(
        """insert into observatory.snapshots (reference_id, item_key, version, made_at, current, valued_on, kind, unit, currency, level,
               place_code, median, p25, p75, observations, suppliers, variation, grade, body)
           select 'ref-' || n, 'many-' || n, 1, now(), true, now(), 'contract', 'KGM', 'BRL', 'country', 'BR', 10, 9, 11, 5, 3, 0.1,
               case when n % 100 = 0 then 'A' else 'B' end, '{}' from generate_series(1, $1::int / 6) n""",
        MANY,
    )
    await db.execute(
        """insert into observatory.items (item_key, title, words, category_scheme, category_code, category_title, currency)
           select 'many-' || n, title, title || ' ' || category, 'CPV', category || '-1', 'Things', 'BRL'
           from generate_series(1, $1::int) n, lateral (select
               case when n % 1000 = 0 then 'telescope ' when n > $1 / 3 then 'beam ' else 'paper ' end || n || ' lot' || n % 300 as title,
               case when n > $1 / 3 then '45000000' else '30197630' end as category) as made""",
        MANY,
    )
    await db.execute(
        """update observatory.items set observations = ($1 - substr(item_key, 6)::int) / 10 + 1,
               reference_id = case when substr(item_key, 6)::int <= $1 / 6 then 'ref-' || substr(item_key, 6) end
           where item_key like 'many-%' and substr(item_key, 6)::int <= $1 / 2""",
        MANY,
    )
    await db.execute("analyze observatory.items")
    await db.execute("analyze observatory.listed")
    await db.execute("analyze observatory.snapshots")


ASKED = [
    (ItemFilter(**{**words, **category, **grade}), number)
    for words in ({}, {"q": "paper"}, {"q": "beam"}, {"q": "telescope"}, {"q": "zzz"}, {"q": "p"}, {"q": "paper lot7"})
    for category in ({}, {"category": "45"}, {"category": "30197630-1"}, {"category": "4"}, {"category": "99"})
    for grade in ({}, {"grade": "A"}, {"grade": "B"}, {"grade": "C"}, {"grade": "-"})
    for number in (1, 10)
]


async def test_no_list_reads_all_items(market: Market) -> None:
    async with rolled_back(market.resources.database, "observatory") as (tx, db):
        await _years_of_items(db)
        for wanted, number in ASKED:
            async with recording_queries(db) as reading:
                await store.find(tx, wanted, offset=PAGE * (number - 1), most=PAGE)
            reading.queries = [each for each in reading.queries if "set local" not in each[0]]
            for table in ("items", "listed", "snapshots"):
                assert await reading.rows_of(db, table) <= BOUND, (wanted, number, table)
        async with recording_queries(db) as reading:
            assert [each.code for each in await store.categories(tx)] == ["30197630-1"]
        assert await reading.rows_of(db, "items") <= BOUND


async def test_matching_items_are_found_in_order_and_page_by_page(market: Market) -> None:
    async with rolled_back(market.resources.database, "observatory") as (tx, db):
        await db.execute("delete from observatory.items")
        await db.execute("delete from observatory.listed")
        await _years_of_items(db)

        async def numbers(number: int = 1, **wanted: Any) -> tuple[list[int], int, bool, int]:
            found = await store.find(tx, ItemFilter(**wanted), offset=PAGE * (number - 1), most=PAGE)
            return [int(each.item.item_key[5:]) for each in found.rows], found.total, found.more, found.last

        first, total, more, last = await numbers()
        assert (total, more, last) == (COUNTED, True, PAGES)
        assert len({*first, *(await numbers(2))[0]}) == 2 * PAGE and max(first) <= 60
        assert (await numbers(300))[0][-1] == MANY // 2
        # after the end it is known where the list ends
        assert await numbers(301) == await numbers(PAGES) == ([], COUNTED, True, 300)
        assert (await numbers(300))[1:] == (COUNTED, True, 300) and (await numbers(299))[3] == PAGES
        assert await numbers(q="TELESC") == ([1000 * n for n in range(1, 16)], 15, False, 1)
        assert await numbers(q="télescope 3000") == ([3000], 1, False, 1)
        assert (await numbers(q="telescope", category="45"))[0] == [11000, 12000, 13000, 14000, 15000]
        assert (await numbers(q="telescope", category="30197630-1", grade="-"))[0] == [6000, 7000, 8000, 9000, 10000]
        assert (await numbers(grade="A"))[1:] == (50, False, 1)
        assert (await numbers(grade="A", q="paper"))[1] == 45
        assert (await numbers(q="escope"))[1] == 0
        # very many match but lie after the scanned items: some are shown, and that there are more
        some, total, more, last = await numbers(q="beam")
        assert len(some) == PAGE and more and (total, last) == (FEW, FEW // PAGE)
        # very many match, and are among the first
        shown = [await numbers(number, q="paper") for number in (1, 2)]
        assert shown[0][0] == sorted(shown[0][0], key=lambda n: (-((MANY - n) // 10), f"many-{n}"))
        assert not {*shown[0][0]} & {*shown[1][0]} and shown[0][2]
        assert (await numbers(category="3019"))[0][:10] == first[:10]


async def test_a_line_of_the_list_has_the_figures_that_the_item_has(observatory: Observatory) -> None:
    key, word = new_id(), f"w{new_id().replace('-', '')}"
    await observatory.hears(a_sku(key, f"Paper {word}"))
    await three(observatory, key)
    async with observatory.market.client() as client:
        found = (
            await client.get("/api/observatory/items", params={"q": f"paper {word[:20]}", "category": "3019"})
        ).json()
        grade = found["items"][0]["figures"]["grade"]
        assert (await client.get("/api/observatory/items", params={"q": word, "grade": grade})).json() == found
        assert (await client.get("/api/observatory/items", params={"q": word, "grade": "-"})).json()["items"] == []
    item = await observatory.item(key)
    assert (found["total"], found["more"], found["items"][0]["observations"]) == (1, False, 3)
    assert found["items"][0]["figures"] == item["versions"][0]
    await observatory.hears(a_sku(key, "Beams", version=2))

    async def renamed() -> bool:
        async with observatory.market.client() as client:
            return (await client.get("/api/observatory/items", params={"q": word})).json()["total"] == 0

    await observatory.market.eventually(renamed)


async def test_a_page_behind_the_last_leads_to_the_last(observatory: Observatory) -> None:
    key, word = new_id(), f"w{new_id().replace('-', '')}"
    await observatory.hears(a_sku(key, f"Paper {word}"))
    await three(observatory, key)
    async with observatory.market.browser() as browser:
        shown = await browser.get("/observatory", q=word, page="2")
        assert (
            shown.url.params == httpx.QueryParams(q=word, page=1) and f'href="/observatory/items/{key}"' in shown.text
        )
        none = await browser.get("/observatory", q=word, grade="C", page="2")
        assert none.url.params["page"] == "1" and "Nothing fits" in none.text
        three_prices = await browser.get(f"/observatory/items/{key}", page="9999")
        assert three_prices.url.params == httpx.QueryParams(page=1) and three_prices.text.count(">kept<") == 3
    async with observatory.market.client() as client:
        behind = (await client.get("/api/observatory/items", params={"q": word, "page": 2})).json()
        assert (behind["total"], behind["items"]) == (1, [])
        item = (await client.get(f"/api/observatory/items/{key}", params={"page": 9999})).json()
        assert (item["answer"]["judged"], item["answer"]["verdicts"], item["next"]) == (3, [], None)


async def test_a_sku_without_prices_is_never_judged(observatory: Observatory) -> None:
    key = new_id()
    await observatory.hears(a_sku(key, "Nobody sells it"))

    async def known() -> Any:
        return await observatory.market.fetch("select due_at from observatory.items where item_key = $1", key)

    assert (await observatory.market.eventually(known))[0]["due_at"] is None
    await observatory.hears(a_contract(key, "9", observatory.today))
    assert (await observatory.settled(key, 1))["answer"]["judged"] == 1


class TestAClaim:
    async def _due(self, tx: Transaction, db: asyncpg.Connection) -> None:
        """Make a thousand current references that are due tomorrow, and twenty items that are due now, one of them from
        an import."""
        await db.execute("update observatory.items set due_at = null")
        await db.execute(
            """insert into observatory.items (item_key, title, words, category_scheme, category_code, category_title, currency, due_at,
                   in_bulk)
               select 'due-' || n, '', '', '', '', '', 'BRL',
                   $1::timestamptz + interval '1 second' * case when n <= 20 then -n else 1000 + n end, n >= 20
               from generate_series(1, 5000) n""",
            tx.now,
        )
        await db.execute(
            """insert into observatory.observations (observation_id, item_key, origin, document_id, process_id, cancelled, body)
               select 'due-' || k || '-' || n, 'due-' || k, 'contract', '', '', false, '{}'
               from generate_series(1, 20) k, generate_series(1, 10) n"""
        )
        await db.execute("analyze observatory.items")
        await db.execute("analyze observatory.observations")

    async def test_takes_items_of_so_many_prices_together_live_ones_first(self, market: Market) -> None:
        async with rolled_back(market.resources.database, "observatory") as (tx, db):
            await self._due(tx, db)
            claimed = []
            for prices in (50, 1, 1000):
                claimed.append(await store.claim_due(tx, 50, prices))
                keys_of = [card.item.item_key for card in claimed[-1] if isinstance(card, store.ItemCard)]
                await db.execute("update observatory.items set due_at = null where item_key = any($1::text[])", keys_of)
            assert [len(each) for each in claimed] == [5, 1, 14]
            keys = [{card.item.item_key for card in each if isinstance(card, store.ItemCard)} for each in claimed]
            assert keys[0] == {f"due-{n}" for n in range(15, 20)} and keys[1] == {"due-14"} and "due-20" in keys[2]

    async def test_reads_only_what_is_due(self, market: Market) -> None:
        async with rolled_back(market.resources.database, "observatory") as (tx, db):
            await self._due(tx, db)
            claimed = []
            db.add_query_logger(claimed.append)
            await store.claim_due(tx, 50, 1000)
            await asyncio.sleep(0)
            await db.execute("update observatory.items set due_at = $1 where item_key = 'due-3'", tx.now)
            reading = Reading()
            reading.queries = [(said.query, tuple(said.args)) for said in claimed]
            assert await reading.rows_of(db, "items") <= 100
