"""An item with very many prices: answers about it stay small, and it delays no other request."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from catalogue.policy import load
from infra.ids import new_id
from services.observatory import handlers, pages, store, views
from services.observatory.store import reading, rulings
from tests.market import Market
from tests.services.observatory.builders import a_contract
from tests.services.observatory.test_observatory_service import Observatory, observatory, three

__all__ = ["observatory"]
pytestmark = pytest.mark.servers
PRICES = 20_000
MEGABYTE = 10**6
COPIES = (
    "insert into observatory.observations (observation_id, item_key, origin, document_id, process_id, cancelled, body)"
    " select body->>'observation_id' || n, item_key, origin, document_id || n, process_id, false, body || jsonb_build_object("
    " 'observation_id', body->>'observation_id' || n, 'supplier_id', 's' || n % 50, 'title', repeat('Office paper ', 20),"
    " 'unit_price', (9 + n % 3)::text, 'date', (body->>'date')::date - n % 100)"
    " from (select * from observatory.observations where item_key = $1 order by observation_id limit 1) as one,"
    " generate_series(1, $2) as n"
)


@pytest.fixture
async def key(observatory: Observatory) -> AsyncIterator[str]:
    """The key of an item with three prices. It is deleted after the test, because the market would judge it again every
    day."""
    key = new_id()
    await three(observatory, key)
    yield key
    for table in ("observations", "snapshots", "verdicts", "judged", "items"):
        await observatory.market.fetch(f"delete from observatory.{table} where item_key = $1", key)


async def has(market: Market, key: str, prices: int) -> None:
    """Give it this number of prices instead of three, and judge them like the timer."""
    await market.fetch(COPIES, key, prices - 3)
    async with market.resources.database.transaction("observatory") as tx:
        card = await store.card(tx, key)
        assert card is not None
        await handlers.assess(tx, [card], load("moscow").observatory)


class Watched:
    """The number of rows decoded at a time, of prices judged, and of prices in pictures."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.judged: list[int] = []
        self.drawn: list[int] = []
        self.decoded: list[int] = []
        self._count(monkeypatch, views, "judge", lambda item, seen, *rest: self.judged.append(len(seen)))
        self._count(monkeypatch, views, "_drawn", lambda reference, seen, *rest: self.drawn.append(len(seen)))
        for room, name in ((reading, "read_apart"), (rulings, "read_apart"), (rulings, "listed_apart")):
            self._count(monkeypatch, room, name, lambda what, rows, *rest: self.decoded.append(len(rows)))

    def _count(self, monkeypatch: pytest.MonkeyPatch, room: Any, name: str, count: Callable[..., None]) -> None:
        real = getattr(room, name)

        def counted(*arguments: Any) -> Any:
            count(*arguments)
            return real(*arguments)

        monkeypatch.setattr(room, name, counted)


async def test_every_answer_about_20_000_prices_is_small_and_judges_nothing(
    observatory: Observatory, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = observatory.market
    await has(market, key, PRICES)
    found = await observatory.item(key)
    reference = found["answer"]["reference_id"]
    watched = Watched(monkeypatch)
    routes = [
        f"{room}/items/{key}{query}" for room in ("/observatory", "/api/observatory") for query in ("", "?place=BR")
    ]
    routes += [f"/api/observatory/items/{key}/pictures{query}" for query in ("", "?place=BR")]
    routes += [f"/api/observatory/references/{reference}", f"/observatory/references/{reference}"]
    routes += [
        f"/observatory/references/{reference}/observations.csv",
        f"/api/observatory/reference?sku={key}&region=BR",
    ]
    routes += ["/observatory", "/api/observatory/items"]
    async with market.client() as client:
        for route in routes:
            answer = await client.get(route)
            assert answer.status_code == 200, (route, answer.text[:500])
            assert len(answer.content) < 5 * MEGABYTE, route
    assert watched.judged == []
    assert watched.drawn and max(watched.drawn) <= views.PICTURED
    assert watched.decoded and max(watched.decoded) <= 5000


async def test_all_verdicts_are_read_page_by_page_and_the_figure_stays_whole(
    observatory: Observatory, key: str
) -> None:
    market = observatory.market
    await has(market, key, 1001)
    await observatory.hears(a_contract(key, "9000", observatory.today))
    found = await observatory.settled(key, 1002)
    answer, seen = found["answer"], []
    assert (answer["judged"], answer["reference"]["observations"], answer["dropped"]) == (1002, 1001, {"outlier": 1})
    following, pages = found["next"], [answer["verdicts"]]
    async with market.client() as client:
        while following:
            page = (await client.get(following)).json()
            assert page["reference"] == answer["reference"]
            pages.append(page["verdicts"])
            following = page["next"]
    seen = [one for page in pages for one in page]
    assert [len(page) for page in pages] == [200] * 5 + [2]
    assert len({one["observation"]["observation_id"] for one in seen}) == 1002
    assert [one["dropped"] is not None for one in seen] == [False] * 1001 + [True]
    days = [one["observation"]["date"] for one in seen[:-1]]
    assert days == sorted(days, reverse=True)


async def test_a_value_for_a_place_is_not_worked_out_of_too_many_prices_and_that_is_said(
    observatory: Observatory, key: str
) -> None:
    market = observatory.market
    await has(market, key, views.MOST)
    worked_out = await observatory.item(key, "BR-SE")
    assert (worked_out["answer"]["reference_id"], worked_out["answer"]["instead"]) == (None, None)
    assert worked_out["answer"]["judged"] == views.MOST and len(worked_out["answer"]["verdicts"]) == views.PRICES
    async with market.client() as client:
        second = (await client.get(worked_out["next"])).json()
    assert second["answer"]["verdicts"] != worked_out["answer"]["verdicts"]

    await observatory.hears(a_contract(key, "10", observatory.today))
    published = await observatory.settled(key, views.MOST + 1)
    refused = await observatory.item(key, "BR-SE")
    assert refused["answer"]["reference"] == published["answer"]["reference"]
    assert refused["answer"]["instead"]["rule"] == "too-many-prices"
    words = {"en": "A value for one place", "es": "El valor para un lugar", "ru": "Значение для одного места"}
    async with market.client() as client:
        quote = (await client.get("/api/observatory/reference", params={"sku": key, "region": "BR-SE"})).json()
        for language, said in words.items():
            asked = {"accept": "text/html", "accept-language": language}
            assert said in (await client.get(f"/observatory/items/{key}?place=BR-SE", headers=asked)).text
    assert quote["instead"]["rule"] == "too-many-prices"


async def test_a_page_lists_fewer_prices_than_the_api_each_a_card_on_a_phone_with_a_weight_that_tells_it_apart(
    observatory: Observatory, key: str
) -> None:
    market = observatory.market
    await has(market, key, 4_020)
    reference = (await observatory.item(key))["answer"]["reference_id"]
    months = {"es": r"\d{1,2} [a-z]{3,4} 20\d\d", "ru": r"\d{1,2} [а-я]{3,4}\.? 20\d\d"}
    async with market.client() as client:
        for path in (f"/observatory/items/{key}", f"/observatory/references/{reference}"):
            for language, day in months.items():
                headers = {"accept": "text/html", "accept-language": language}
                listed = (await client.get(f"{path}?page=2", headers=headers)).text.split('id="observations"')[1]
                table = re.split("</?table", listed)[1]
                assert "stacked" in table and table.count("<tr") == pages.SHOWN + 1 == 51
                assert re.search(day, table) and not re.search(r">\s*20\d\d-\d\d", table)
                assert "0,02\u202f%" in table and "0,0\u202f%" not in table
                assert f" {-(-4_020 // pages.SHOWN)}<" in listed, "the last page is named"
                row = table.split("<tr")[2]
                assert row.count("data-label=") == row.count("<td") - 1, "all but the verdict have their column's name"
