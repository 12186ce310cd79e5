"""The home page: events of other services fill it, once each."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec import structs

from events import Event
from events.accounts import OrganisationRegistered
from events.auctions import AuctionClosed, AuctionExtended, AuctionOpened, BidAccepted, BidDeleted, OpeningRules
from events.contracts import ContractConcluded, ContractEnded
from events.pools import PoolFrozen, PoolMemberEnrolled, PoolMemberWithdrew, PoolOpened
from events.quotes import QuoteRequestOpened
from events.values import Category, Place, Source
from infra.ids import new_id
from infra.tokens import Principal
from tests.market import Market
from tests.services.quotes.event_builders import a_request, the_end, the_withdrawal

PAPER = Category(code="30197642", title="Paper")


@dataclass
class Shown:
    """Reads the home page."""

    market: Market

    async def text(self) -> str:
        async with self.market.browser() as browser:
            answer = await browser.get("/")
        assert answer.status_code == 200
        return answer.text

    async def has(self, *words: str) -> None:
        async def check() -> bool:
            text = await self.text()
            return all(word in text for word in words)

        await self.market.eventually(check)

    async def lacks(self, word: str) -> None:
        async def check() -> bool:
            return word not in await self.text()

        await self.market.eventually(check)


def an_auction(market: Market, title: str, minutes: int = 30) -> AuctionOpened:
    return AuctionOpened(
        auction_id=new_id(),
        buyer_id="city",
        buyer_name="City of Light",
        title=title,
        kind="goods",
        category=PAPER,
        place=Place(country="ES", locality="Madrid"),
        currency="EUR",
        initial_price=Decimal("1000.00"),
        step=Decimal("5.00"),
        lines=(),
        policy="demo",
        opens_at=market.clock(),
        closes_at=market.clock() + timedelta(minutes=minutes),
    )


def a_bid(market: Market, auction: AuctionOpened, sequence: int, amount: str) -> BidAccepted:
    return BidAccepted(
        auction_id=auction.auction_id,
        sequence=sequence,
        participant=1,
        amount=Decimal(amount),
        arrived_at=market.clock(),
        closes_at=auction.closes_at,
        extended=False,
    )


def a_contract(market: Market, currency: str, amount: str | None) -> ContractConcluded:
    return ContractConcluded(
        process_id=new_id(),
        contract_id=new_id(),
        award_id=None,
        origin="import",
        buyer_id="b",
        buyer_name="Buyer",
        supplier_id="s",
        supplier_name="Supplier",
        title=f"Contract in {currency}",
        category=None,
        method="open",
        place=Place(),
        currency=currency,
        amount=Decimal(amount) if amount else None,
        lines=(),
        signed_at=market.clock() + timedelta(days=1),
        source=Source(publisher="p", document="d"),
    )


async def test_an_auction_that_goes_on_for_longer_is_still_shown_and_only_a_lower_bid_is_its_price(
    market: Market,
) -> None:
    shown, auction = Shown(market), an_auction(market, f"Paper {new_id()}", minutes=1)
    later = auction.closes_at + timedelta(hours=2)
    await market.publish(
        auction,
        a_bid(market, auction, 1, "700.00"),
        a_bid(market, auction, 2, "900.00"),
        AuctionExtended(
            auction_id=auction.auction_id,
            reason="outage",
            since=auction.opens_at,
            until=auction.opens_at + timedelta(seconds=30),
            closes_at=later,
        ),
    )
    await shown.has(auction.title, "2 bids", f'data-until="{later.isoformat()}"')
    market.clock.advance(timedelta(minutes=2))
    await shown.has(auction.title, "700.00")


async def test_a_deleted_bid_gives_the_price_back_to_those_that_stand(market: Market) -> None:
    rules = OpeningRules(
        whole_steps=False,
        improve_on="price",
        floor_percent=Decimal("0.5"),
        extension_window_seconds=120,
        extension_seconds=120,
        settle_seconds=1,
        delete_seconds=15,
    )
    shown, auction = Shown(market), structs.replace(an_auction(market, f"Paper {new_id()}"), rules=rules)

    def deleted(participant: int, sequence: int) -> BidDeleted:
        return BidDeleted(
            auction_id=auction.auction_id, participant=participant, sequence=sequence, deleted_at=market.clock()
        )

    async def is_price(amount: str) -> bool:
        query = "select price from portal.openings where opening_id = $1 and bids = 3"
        rows = await market.fetch(query, auction.auction_id)
        return [row["price"] for row in rows] == [Decimal(amount)]

    second = structs.replace(a_bid(market, auction, 2, "985.00"), participant=2)
    await market.publish(auction, a_bid(market, auction, 1, "990.00"), second, a_bid(market, auction, 3, "970.00"))
    await market.eventually(lambda: is_price("970.00"))
    for participant, sequence, price in ((1, 3, "985.00"), (2, 2, "990.00"), (1, 1, "1000.00")):
        await market.publish(deleted(participant, sequence))
        await market.eventually(lambda price=price: is_price(price))  # type: ignore[misc]
    await shown.has(auction.title, "3 bids")


async def test_auction_is_shown_with_its_current_price_until_it_closes(market: Market) -> None:
    shown, auction = Shown(market), an_auction(market, f"Paper {new_id()}", minutes=1)
    await market.publish(auction, a_bid(market, auction, 1, "990.00"), a_bid(market, auction, 2, "985.00"))
    await shown.has(auction.title, "985.00", "City of Light, Madrid")
    await market.publish(a_bid(market, auction, 1, "990.00"))
    await market.publish(
        AuctionClosed(
            auction_id=auction.auction_id,
            buyer_id="city",
            title=auction.title,
            kind="goods",
            category=PAPER,
            place=auction.place,
            currency="EUR",
            initial_price=auction.initial_price,
            outcome="unsuccessful",
            amount=None,
            winner_id=None,
            participants=1,
            bids=2,
            lines=(),
            policy="demo",
            opened_at=auction.opens_at,
            closed_at=auction.closes_at,
        )
    )
    await shown.lacks(auction.title)


async def test_auction_whose_end_has_passed_is_not_called_open(market: Market) -> None:
    shown, auction = Shown(market), an_auction(market, f"Pens {new_id()}", minutes=1)
    await market.publish(auction)
    await shown.has(auction.title)
    market.clock.advance(timedelta(minutes=2))
    assert auction.title not in await shown.text()


@pytest.mark.parametrize("over", [the_end, the_withdrawal])
async def test_an_open_quick_quote_is_counted_until_its_end(
    market: Market, over: Callable[[QuoteRequestOpened], Event]
) -> None:
    async def counted() -> int:
        shown = re.search(r"quick quotes</a></dt><dd>(\d+)</dd>", await Shown(market).text())
        assert shown
        return int(shown[1])

    before, request = await counted(), a_request(market.clock())
    await market.publish(request, request)

    async def is_counted(number: int) -> bool:
        return await counted() == number

    await market.eventually(lambda: is_counted(before + 1))
    await market.publish(over(request))
    await market.eventually(lambda: is_counted(before))


async def test_pool_counts_each_member_once_until_it_freezes(market: Market) -> None:
    shown = Shown(market)
    pool = PoolOpened(
        pool_id=new_id(),
        lead_id="city",
        lead_name="City of Light",
        title=f"Gloves {new_id()}",
        kind="goods",
        category=PAPER,
        currency="EUR",
        regions=("ES-MD",),
        lines=(),
        minimum_quantity=Decimal(10),
        enrolment_ends_at=market.clock() + timedelta(seconds=90),
        below_minimum="cancel",
        savings_rule="equal",
        policy="demo",
        duration_minutes=5,
    )
    members = [
        PoolMemberEnrolled(
            pool_id=pool.pool_id,
            member_id=member,
            member_name=member,
            demands=(),
            place=Place(),
            enrolled_at=market.clock(),
        )
        for member in ("a", "b", "a", "c")
    ]
    await market.publish(pool, *members)
    await market.publish(PoolMemberWithdrew(pool_id=pool.pool_id, member_id="c", default=False))
    await shown.has(pool.title, "2 members")
    await market.publish(PoolFrozen(pool_id=pool.pool_id, members=2, lines=()))
    await shown.lacks(pool.title)


async def test_contracts_count_once_and_sum_by_currency(market: Market) -> None:
    shown = Shown(market)
    first, second, unknown = (a_contract(market, "ISK", amount) for amount in ("1000", "234", None))
    await market.publish(first, second, unknown, first)
    await shown.has("Contract in ISK", "1\u202f234\u00a0ISK")
    await shown.lacks(f"/contracts/{second.contract_id}")  # an imported one has no page here
    rows = await market.fetch("select contracts from portal.totals where currency = 'ISK'")
    assert [row["contracts"] for row in rows] == [3]
    ended = ContractEnded(
        process_id=first.process_id,
        contract_id=first.contract_id,
        supplier_id="s",
        buyer_id="b",
        reason="cancelled",
        by="buyer",
        evasion=False,
    )
    await market.publish(ended, ended)
    await shown.has("234\u00a0ISK")
    await shown.lacks("1\u202f234\u00a0ISK")
    rows = await market.fetch("select contracts from portal.totals where currency = 'ISK'")
    assert [row["contracts"] for row in rows] == [2]


async def test_supplier_is_counted_once_and_a_buyer_is_not(market: Market) -> None:
    number = new_id()
    for organisation, roles in ((number, ("supplier",)), (number, ("supplier",)), (new_id(), ("buyer",))):
        await market.publish(OrganisationRegistered(organisation_id=organisation, roles=roles, name="x"))

    async def counted() -> bool:
        rows = await market.fetch("select 1 from portal.suppliers where organisation_id = $1", number)
        return len(rows) == 1

    await market.eventually(counted)


async def test_each_visitor_is_offered_the_own_next_step(market: Market) -> None:
    for roles, offered in (
        ((), "Sell to agencies"),
        (("supplier_agent",), "Opportunities for you"),
        (("buyer_officer",), "Start a pool"),
        (("moderator",), "Organisations"),
    ):
        principal = Principal(member_id="m", name="M", organisation_id="o", organisation_name="O", roles=roles)
        async with market.browser(principal if roles else None) as browser:
            assert offered in (await browser.get("/")).text


async def test_an_address_that_leads_nowhere_says_so_once_and_logs_nobody_out(market: Market) -> None:
    member = Principal(
        member_id=new_id(),
        name="Ada Byron",
        organisation_id=new_id(),
        organisation_name="A school",
        roles=("buyer_officer",),
    )
    async with market.browser(member) as browser, market.browser() as visitor:
        for path in ("/nowhere", "/auctions/a/b/c", "/auctions/no-such"):
            answer = await browser.get(path)
            assert answer.status_code == 404 and "Ada Byron" in answer.text and "Log out" in answer.text
            assert len(re.findall("not found", answer.text.split("<main")[1], re.IGNORECASE)) == 1
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert "Ada Byron" not in (await visitor.get(path)).text
            told = await visitor.client.get(path, headers={"accept-language": "ru"})
            assert "<h1>Не найдено</h1>" in told.text and "в адресе опечатка" in told.text
            assert "<h1>Not found</h1>" in (await visitor.get(path)).text
    async with market.client(member) as client:
        answer = await client.get("/api/nowhere")
        assert (answer.status_code, answer.json()["status"]) == (404, 404)
