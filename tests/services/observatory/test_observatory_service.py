"""The observatory on the real servers: prices come as events, references are published as events, and everything is
public."""

import csv
import io
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from catalogue.roles import ROLES
from events.catalogue import OfferArchived
from events.observatory import ReferencePricePublished, ReferencePriceWithdrawn
from events.values import Line, Source
from infra import streams
from infra.ids import new_id
from infra.producer import Producer
from infra.tokens import Principal
from services.observatory import service
from services.observatory.domain.snapshot import LONGEST_REST
from services.observatory.handlers import PAUSE
from services.observatory.intake import item_key
from tests.market import Market
from tests.services.observatory.builders import (
    PAPER,
    PARANA,
    a_bid,
    a_contract,
    a_line,
    a_sku,
    an_offer,
    its_award,
    its_end,
)
from tests.services.quotes.event_builders import a_request, the_choice

pytestmark = pytest.mark.servers
IMPORTED = Source(publisher="Ministry of Health", document="prices.csv:7")


class Observatory:
    """The observatory seen from outside, without waiting for rests."""

    def __init__(self, market: Market) -> None:
        self.market = market

    @property
    def today(self) -> date:
        return self.market.clock().date()

    async def hears(self, *events: Any) -> None:
        await self.market.publish(*events)

    async def item(self, key: str, place: str = "") -> dict[str, Any]:
        async with self.market.client() as client:
            answer = await client.get(f"/api/observatory/items/{key}", params={"place": place} if place else {})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def settled(self, key: str, prices: int) -> dict[str, Any]:
        """The item when that many prices are known and judged."""

        async def judged() -> dict[str, Any] | None:
            rows = await self.market.fetch(
                "select i.observations, i.due_at, (select count(*) from observatory.observations o where o.item_key = $1) as n"
                " from observatory.items i where item_key = $1",
                key,
            )
            if not rows or rows[0]["n"] != prices:
                return None
            due = rows[0]["due_at"]
            if rows[0]["observations"] != prices or (due and due - self.market.clock() <= LONGEST_REST):
                if due and due - self.market.clock() <= LONGEST_REST:
                    self.market.clock.advance(LONGEST_REST)
                return None
            return await self.item(key)

        return await self.market.eventually(judged)

    async def news(self, key: str) -> list[Any]:
        published = await self.market.published("observatory", ReferencePricePublished)
        withdrawn = await self.market.published("observatory", ReferencePriceWithdrawn)
        return [event for event in [*published, *withdrawn] if event.item_key == key]


@pytest.fixture
def observatory(market: Market) -> Observatory:
    return Observatory(market)


def verdicts(found: dict[str, Any]) -> dict[str, str | None]:
    """Stated price → the rule it was dropped by."""
    return {
        one["observation"]["unit_price"]: (one.get("dropped") or {}).get("rule") for one in found["answer"]["verdicts"]
    }


async def three(observatory: Observatory, sku: str) -> list[Any]:
    contracts = [a_contract(sku, price, observatory.today) for price in ("9", "10", "11")]
    await observatory.hears(*contracts)
    await observatory.settled(sku, 3)
    return contracts


class TestAReference:
    async def test_is_published_from_the_third_contract_on(self, observatory: Observatory) -> None:
        sku = new_id()
        await observatory.hears(a_sku(sku, "Office paper"), a_contract(sku, "9", observatory.today))
        assert "too-few" in (await observatory.settled(sku, 1))["answer"]["reason"]["rule"]
        await observatory.hears(*(a_contract(sku, price, observatory.today) for price in ("10", "11")))
        found = await observatory.settled(sku, 3)
        (event,) = await observatory.news(sku)
        assert (event.sku_id, event.title, event.median, event.grade, event.level) == (
            sku,
            "Office paper",
            10,
            "A",
            "country",
        )
        assert (event.unit, event.currency, event.suppliers, event.place_code) == ("KGM", "BRL", 3, "BR")
        assert found["answer"]["reference_id"] == event.reference_id and found["answer"]["current"]

    async def test_changes_nothing_for_a_repeat_or_a_contract_published_twice(self, observatory: Observatory) -> None:
        sku, number = new_id(), new_id()
        contracts = await three(observatory, sku)
        await observatory.market.publish(contracts[0], contracts[0], event_id=number)
        marker = a_contract(new_id(), "1", observatory.today, process_id=contracts[0].process_id)
        await observatory.hears(marker)
        await observatory.settled(marker.lines[0].sku_id or "", 1)
        found = await observatory.settled(sku, 3)
        assert [version["version"] for version in found["versions"]] == [1]
        assert len(await observatory.news(sku)) == 1

    async def test_gets_a_new_version_and_the_old_one_stays_as_cited(self, observatory: Observatory) -> None:
        sku = new_id()
        await three(observatory, sku)
        first = (await observatory.item(sku))["answer"]["reference_id"]
        await observatory.hears(a_contract(sku, "10.5", observatory.today))
        found = await observatory.settled(sku, 4)
        assert [version["version"] for version in found["versions"]] == [2, 1]
        async with observatory.market.client() as client:
            cited = (await client.get(f"/api/observatory/references/{first}")).json()
        assert (cited["version"], cited["reference"]["observations"], len(cited["verdicts"])) == (1, 3, 3)
        assert [event.median for event in await observatory.news(sku)] == [10, Decimal("10.25")]

    async def test_of_old_prices_has_only_the_latest_version_of_a_day(self, observatory: Observatory) -> None:
        """Such a version was not published: an import would otherwise leave one version for each price."""
        sku, long_ago = new_id(), observatory.today - timedelta(days=3000)
        await observatory.hears(*(a_contract(sku, price, long_ago) for price in ("9", "10", "11")))
        assert [each["version"] for each in (await observatory.settled(sku, 3))["versions"]] == [1]
        await observatory.hears(a_contract(sku, "10.5", long_ago))
        found = await observatory.settled(sku, 4)
        assert [each["version"] for each in found["versions"]] == [2]
        assert not found["answer"]["current"]
        observatory.market.clock.advance(timedelta(days=2))
        await observatory.hears(a_contract(sku, "10.6", long_ago))
        assert [each["version"] for each in (await observatory.settled(sku, 5))["versions"]] == [3, 2]

    async def test_is_withdrawn_when_a_contract_behind_it_is_cancelled(self, observatory: Observatory) -> None:
        sku = new_id()
        contracts = await three(observatory, sku)
        await observatory.hears(its_end(contracts[1]))

        async def withdrawn() -> bool:
            observatory.market.clock.advance(PAUSE)
            return isinstance((await observatory.news(sku))[-1], ReferencePriceWithdrawn)

        await observatory.market.eventually(withdrawn)
        found = await observatory.item(sku)
        assert verdicts(found) == {"9": "too-few-observations", "10": "cancelled", "11": "too-few-observations"}
        assert len(found["versions"]) == 1

    async def test_does_not_count_a_contract_that_comes_after_its_own_end(self, observatory: Observatory) -> None:
        sku = new_id()
        late = a_contract(sku, "9", observatory.today)
        await observatory.hears(its_end(late), late)
        assert verdicts(await observatory.settled(sku, 1)) == {"9": "cancelled"}

    async def test_of_prices_from_long_ago_is_history_and_is_not_published(self, observatory: Observatory) -> None:
        item = f"Imported rice {new_id()}"
        days = [date(2016, 3, day) for day in (1, 5, 9)]
        contracts = [
            a_contract(item, price, day, source=IMPORTED, origin="import")
            for price, day in zip(("9", "10", "11"), days, strict=True)
        ]
        await observatory.hears(*contracts)
        key = item_key(contracts[0].lines[0], PAPER, "BRL")
        found = await observatory.settled(key, 3)
        assert not found["answer"]["current"]
        assert found["answer"]["reference"]["valued_on"] == "2016-03-09"
        assert await observatory.news(key) == []
        async with observatory.market.browser() as browser:
            page = (await browser.get(f"/observatory/items/{key}")).text
        assert "as of March 2016" in page and "does not limit initial prices" in page

    async def test_turns_to_history_when_all_its_prices_are_out_of_date(self, observatory: Observatory) -> None:
        sku = new_id()
        old = observatory.today - timedelta(days=363)
        await observatory.hears(*(a_contract(sku, price, old) for price in ("9", "10", "11")))
        assert (await observatory.settled(sku, 3))["answer"]["current"]
        observatory.market.clock.advance(timedelta(days=5))

        async def history() -> bool:
            return not (await observatory.item(sku))["answer"]["current"]

        await observatory.market.eventually(history)
        published, withdrawn = await observatory.news(sku)
        assert withdrawn.reference_id == published.reference_id


class TestPrices:
    async def test_prices_of_a_contract_replace_the_prices_of_its_award(self, observatory: Observatory) -> None:
        sku = new_id()
        contract = a_contract(sku, "9", observatory.today, award_id=new_id())
        await observatory.hears(its_award(contract, "8.5"))
        assert verdicts(await observatory.settled(sku, 1)) == {"8.5": "too-few-observations"}
        await observatory.hears(contract)

        async def replaced() -> bool:
            return list(verdicts(await observatory.item(sku))) == ["9"]

        await observatory.market.eventually(replaced)
        await observatory.hears(its_award(contract, "8.5"), a_contract(sku, "7", observatory.today))
        assert set(verdicts(await observatory.settled(sku, 2))) == {"9", "7"}

    async def test_prices_of_an_award_count_for_a_contract_without_lines_and_end_with_it(
        self, observatory: Observatory
    ) -> None:
        sku = new_id()
        contract = a_contract(sku, None, observatory.today, award_id=new_id(), lines=(), title=sku)
        await observatory.hears(its_award(contract, "8.5"), contract)
        await observatory.settled(sku, 1)
        await observatory.hears(its_end(contract))

        async def cancelled() -> bool:
            return verdicts(await observatory.item(sku)) == {"8.5": "cancelled"}

        await observatory.market.eventually(cancelled)

    async def test_of_offers_are_per_pack_of_their_sku_with_vat_taken_out(self, observatory: Observatory) -> None:
        sku = new_id()
        offers = [an_offer(sku, price, observatory.today) for price in ("5.4", "6", "6.6", "60")]
        await observatory.hears(a_sku(sku, "Tea, 500 g"), *offers)
        await observatory.settled(sku, 4)
        await observatory.hears(
            OfferArchived(sku_id=sku, offer_id=offers[3].offer_id, supplier_id="s", reason="replaced")
        )

        async def withdrawn() -> dict[str, Any] | None:
            observatory.market.clock.advance(PAUSE)
            found = await observatory.item(sku)
            return found if verdicts(found)["60"] == "cancelled" else None

        reference = (await observatory.market.eventually(withdrawn))["answer"]["reference"]
        assert (reference["kind"], reference["unit"], Decimal(reference["median"])) == ("offer", "KGM", 10)

    async def test_that_nobody_can_compare_are_listed_with_the_reason(self, observatory: Observatory) -> None:
        item = f"Syringes {new_id()}"
        contracts = [a_contract(item, price, observatory.today) for price in ("9", "10", "11")]
        odd = a_contract(item, "12", observatory.today, unit="", unit_text="wagon-ish")
        await observatory.hears(*contracts, odd)
        found = await observatory.settled(item_key(odd.lines[0], PAPER, "BRL"), 4)
        assert verdicts(found)["12"] == "unparseable-unit"
        assert found["answer"]["reference"]["observations"] == 3

    async def test_that_are_not_stated_are_no_observations(self, observatory: Observatory) -> None:
        sku = new_id()
        lines = (
            a_line(sku, None),
            a_line(sku, "9", line_id="2"),
            a_line(sku, "9.5", line_id="2"),
            Line(line_id="3", description=""),
        )
        await observatory.hears(a_contract(sku, None, observatory.today, lines=lines))
        assert set(verdicts(await observatory.settled(sku, 2))) == {"9", "9.5"}

    async def test_of_bids_never_name_the_bidder(self, observatory: Observatory) -> None:
        sku = new_id()
        bids = [a_bid(sku, price, observatory.today) for price in ("9", "10", "11")]
        invalid = a_bid(sku, "12", observatory.today, status="disqualified")
        await observatory.hears(*bids, invalid)
        found = await observatory.settled(sku, 4)
        assert found["answer"]["reference"]["kind"] == "bid" and found["answer"]["reference"]["suppliers"] == 3
        assert verdicts(found)["12"] == "cancelled"
        async with observatory.market.browser() as browser:
            reference = found["answer"]["reference_id"]
            paths = [f"/observatory/items/{sku}", f"/observatory/references/{reference}"]
            paths += [
                f"/observatory/references/{reference}/observations.csv",
                f"/api/observatory/references/{reference}",
            ]
            told = [(await browser.get(path)).text for path in [*paths, f"/api/observatory/items/{sku}"]]
        assert not any(bid.supplier_id in text for bid in bids for text in told)

    async def test_of_quotes_are_kept_apart_and_never_name_who_quoted(self, observatory: Observatory) -> None:
        sku = new_id()
        lines = (a_line(sku, None, quantity=Decimal(100)),)
        suppliers = [new_id() for _ in range(3)]
        request = a_request(observatory.market.clock(), lines=lines)
        quotes, _ = the_choice(request, dict(zip(suppliers, ("12", "13.2", "14.4"), strict=True)), chosen=None)
        await observatory.hears(*quotes, quotes[0], a_contract(sku, "50", observatory.today))
        found = await observatory.settled(sku, 4)
        reference = found["answer"]["reference"]
        # the median is without VAT
        assert (reference["kind"], Decimal(reference["median"]), reference["suppliers"]) == ("quote", 11, 3)
        async with observatory.market.browser() as browser:
            paths = [f"/observatory/items/{sku}", f"/api/observatory/items/{sku}"]
            told = [(await browser.get(path)).text for path in paths]
        assert not any(supplier in text for supplier in suppliers for text in told)
        assert "a participant" in told[0]


class TestLooking:
    async def test_answers_what_a_quantity_costs_in_a_region(self, observatory: Observatory) -> None:
        sku = new_id()
        south = [a_contract(sku, price, observatory.today, place=PARANA) for price in ("19", "20", "21")]
        await observatory.hears(*south, *(a_contract(sku, price, observatory.today) for price in ("9", "10", "11")))
        await observatory.settled(sku, 6)
        async with observatory.market.client() as client:
            asked = {"sku": sku, "region": "BR-SE", "quantity": "12.5"}
            quote = (await client.get("/api/observatory/reference", params=asked)).json()
            nowhere = await client.get("/api/observatory/reference", params={"sku": new_id()})
            wrong = await client.get("/api/observatory/reference", params=asked | {"quantity": "-1"})
        assert (quote["level"], Decimal(quote["median"]), quote["amount"]) == ("region", 10, "125.00")
        assert quote["is_ceiling"] and quote["grade"] == "A"
        assert (nowhere.status_code, wrong.status_code) == (404, 400)

    @pytest.mark.parametrize("role", [None, *ROLES])
    async def test_is_free_to_everybody(self, observatory: Observatory, role: str | None) -> None:
        principal = role and Principal(
            member_id=new_id(), name="M", organisation_id=new_id(), organisation_name="O", roles=(role,)
        )
        async with observatory.market.browser(principal or None) as browser:
            assert (await browser.get("/observatory")).status_code == 200
            assert (await browser.get("/observatory/items/none")).status_code == 404
            assert (await browser.get("/observatory/references/none")).status_code == 404

    async def test_finds_items_by_words_without_accents_category_and_grade(self, observatory: Observatory) -> None:
        sku, tag = new_id(), new_id()[-12:]
        await observatory.hears(a_sku(sku, f"Açúcar {tag} refinado"))
        await three(observatory, sku)

        async def found(**asked: str) -> list[str]:
            async with observatory.market.client() as client:
                answer = (await client.get("/api/observatory/items", params=asked)).json()
            return [one["item"]["item_key"] for one in answer["items"]]

        assert await found(q=f"refinado acucar {tag}") == [sku]
        assert await found(q=tag, category="3019", grade="A") == [sku]
        assert await found(q=tag, grade="C") == await found(q=tag, category="98") == await found(q=f"{tag} salt%") == []
        async with observatory.market.browser() as browser:
            page = (await browser.get("/observatory", q=tag)).text
            nothing = (await browser.get("/observatory", q=f"{tag} salt")).text
        assert f"/observatory/items/{sku}" in page and "Nothing fits" in nothing

    @pytest.mark.parametrize("formula", ["=", "\r=", "＝"])
    async def test_shows_every_price_with_its_verdict_source_and_pictures(
        self, observatory: Observatory, formula: str
    ) -> None:
        item = f"{formula}Lidocaine {new_id()}"
        contracts = [
            a_contract(item, price, observatory.today, source=IMPORTED, place=place)
            for price, place in [("9.8", PARANA), ("10", PARANA), ("10.2", PARANA), ("10.4", PARANA), ("4000", PARANA)]
        ]
        await observatory.hears(*contracts)
        key = item_key(contracts[0].lines[0], PAPER, "BRL")
        found = await observatory.settled(key, 5)
        reference = found["answer"]["reference_id"]
        async with observatory.market.browser() as browser:
            page = (await browser.get(f"/observatory/items/{key}", place="BR-PR")).text
            nowhere = await browser.get(f"/observatory/items/{key}", place="banana")
            pictures = (await browser.get(f"/api/observatory/items/{key}/pictures")).json()
            rows = list(
                csv.DictReader(
                    io.StringIO(
                        (await browser.get(f"/observatory/references/{reference}/observations.csv")).text, newline=""
                    )
                )
            )
        assert nowhere.status_code == 422 and "is neither a country nor a region" in nowhere.text
        assert "prices.csv:7" in page and "usual range of 5 prices" in page and "<svg" in page and "price-map" in page
        (point,) = pictures["points"]
        assert point["name"] == "Curitiba, Paraná" and point["count"] == 4 and point["latitude"] < -25
        assert [row["kept"] for row in rows].count("no") == 1 and rows[0]["title"] == f"'{item.strip()}"


class TestRollingView:
    async def test_equals_the_stream_and_is_the_same_after_a_rebuild(self, observatory: Observatory) -> None:
        market, sku, random = observatory.market, new_id(), Random(7)
        contracts = [
            a_contract(sku, str(random.randint(100, 999)), date(2025, random.randint(1, 3), random.randint(1, 28)))
            for _ in range(60)
        ]
        await market.publish(a_bid(sku, "5", date(2025, 1, 1)))
        months: dict[str, list[Any]] = defaultdict(list)
        for contract in contracts:
            seen = (contract.signed_at.date(), contract.lines[0].unit_price)
            months[f"{seen[0]:%Y-%m}"].append(seen)
        expected = {
            month: (len(group), min(p for _, p in group), max(p for _, p in group), sum(p for _, p in group))
            for month, group in months.items()
        }
        last = {month: {p for day, p in group if day == max(d for d, _ in group)} for month, group in months.items()}

        async def figures() -> dict[str, Any]:
            rows = await market.fetch(
                "select * from observatory.rolling where item_key = $1 and series = 'contract' and unit = 'KGM'", sku
            )
            assert all(row["last"] in last[row["month"]] for row in rows)
            return {row["month"]: (row["count"], row["low"], row["high"], row["total"]) for row in rows}

        bootstrap = market.resources.config.kafka_bootstrap or ""
        kafka = Producer(bootstrap)
        await kafka.start()
        served = service.create(market.resources)
        app = streams.create_app(market.resources, bootstrap, kafka, served, served.views[0])
        await app.start()
        try:
            numbered = [(contract, new_id()) for contract in contracts]
            for contract, number in random.sample([*numbered, *numbered[:20]], 80):
                await market.publish(contract, event_id=number)

            async def complete() -> bool:
                return await figures() == expected

            await market.eventually(complete, within=60)
        finally:
            await app.stop()
        await streams.rebuild(market.resources, bootstrap, kafka, served, served.views[0])
        await kafka.stop()
        assert await figures() == expected
        async with market.client() as client:
            (bid,) = [
                month
                for month in (await client.get(f"/api/observatory/items/{sku}/pictures")).json()["rolling"]
                if month["series"] == "bid"
            ]
        assert (bid["month"], bid["count"]) == ("2025-01", 1)
