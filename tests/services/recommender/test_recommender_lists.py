"""Lists of recommendations on the real servers: events of the market lead to lists with reasons."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from events import Event
from events.accounts import OrganisationStateChanged
from events.auctions import AuctionClosed, AuctionExtended, AuctionOpened, BidAccepted
from events.catalogue import OfferArchived, OfferPublished
from events.contracts import ContractConcluded, ContractEnded
from events.pools import PoolFrozen
from events.quotes import QuoteRequestOpened
from events.recommender import Recommendation, RecommendationsMade
from events.transparency import TenderImported
from events.values import Category, Place
from infra.health import HEALTH, PartState
from infra.ids import new_id
from services.recommender import recommending
from services.recommender.store import advice, marks
from tests.market import Market
from tests.services.quotes.event_builders import a_request, the_end, the_withdrawal
from tests.services.recommender.builders import (
    ELSEWHERE,
    MOSCOW,
    PAPER,
    a_pool,
    a_supplier,
    agent_of,
    an_auction,
    an_award,
    officer_of,
)

NOWHERE = Place()
D = Decimal


async def published_for(market: Market, supplier_id: str) -> list[RecommendationsMade]:
    return [
        made for made in await market.published("recommender", RecommendationsMade) if made.supplier_id == supplier_id
    ]


async def listed(market: Market, supplier_id: str) -> dict[str, Recommendation]:
    """The newest list of a supplier, by opportunity."""
    made = await published_for(market, supplier_id)
    return {item.opportunity_id: item for item in made[-1].items} if made else {}


async def until_listed(market: Market, supplier_id: str, opportunity_id: str) -> Recommendation:
    async def check() -> Recommendation:
        return (await listed(market, supplier_id))[opportunity_id]

    return await market.eventually(check, 90)


async def until_gone(market: Market, supplier_id: str, opportunity_id: str) -> None:
    async def check() -> bool:
        return opportunity_id not in await listed(market, supplier_id)

    await market.eventually(check, 90)


def its_own_trade() -> Category:
    """A category that no other test uses, so that listed openings are from this test."""
    return Category(scheme="TEST", code=new_id().replace("-", "").upper())


async def test_an_auction_in_a_declared_category_is_recommended_and_says_why(market: Market) -> None:
    supplier, auction = a_supplier(PAPER), an_auction(market.clock())
    await market.publish(supplier, auction)
    item = await until_listed(market, supplier.organisation_id, auction.auction_id)
    assert (item.kind, item.title, item.path) == ("auction", auction.title, f"/auctions/{auction.auction_id}")
    assert (item.amount, item.currency, item.closes_at) == (auction.initial_price, "RUB", auction.closes_at)
    assert item.reasons == (
        "You declared category Processed paper and paperboard (CPV 30197630-1)",
        "It is in your region, Moskva",
    )


async def test_a_supplier_whose_list_fails_does_not_affect_the_others(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    trade = its_own_trade()
    broken, whole, auction = a_supplier(trade), a_supplier(trade), an_auction(market.clock(), trade)

    with monkeypatch.context() as patched:
        patched.setattr(recommending, "chosen", partial(_unless, broken.organisation_id, recommending.chosen))
        await market.publish(broken, whole, auction)
        await until_listed(market, whole.organisation_id, auction.auction_id)

        async def said() -> bool:
            return any(each.state is PartState.degraded and broken.organisation_id in each.detail for each in HEALTH)

        await market.eventually(said)
        assert await published_for(market, broken.organisation_id) == []
    await market.publish(an_auction(market.clock(), trade))
    await until_listed(market, broken.organisation_id, auction.auction_id)


@pytest.mark.parametrize("fails", [recommending.advice.OpenOpportunity, recommending])
async def test_an_opening_whose_matching_fails_does_not_affect_the_others(
    market: Market, monkeypatch: pytest.MonkeyPatch, fails: Any
) -> None:
    """Either it cannot be described for the model, or it fails when a supplier's list is made."""
    trade = its_own_trade()
    supplier, broken, whole = a_supplier(trade), an_auction(market.clock(), trade), an_auction(market.clock(), trade)

    def describe(opening: advice.OpenOpportunity) -> Any:
        if opening.opportunity_id == broken.auction_id:
            raise ValueError("nobody can describe it")
        return described(opening)

    def choose(one: advice.WaitingSupplier, fits: Any, openings: Any) -> Any:
        if broken.auction_id in openings and one.profile.supplier_id:
            raise ValueError("nobody can describe it")
        return chosen(one, fits, openings)

    described, chosen = advice.OpenOpportunity.described, recommending.chosen
    with monkeypatch.context() as patched:
        if fails is recommending:
            patched.setattr(recommending, "chosen", choose)
        else:
            patched.setattr(advice.OpenOpportunity, "described", describe)
        await market.publish(supplier, whole, broken)
        await until_listed(market, supplier.organisation_id, whole.auction_id)

        async def said() -> bool:
            found = [each for each in HEALTH if each.name == "recommender lists: openings"]
            return [each.state for each in found] == [PartState.degraded] and broken.auction_id in found[0].detail

        await market.eventually(said)
        another = a_supplier(trade)
        await market.publish(another)
        await until_listed(market, another.organisation_id, whole.auction_id)
        assert broken.auction_id not in await listed(market, supplier.organisation_id)
    await market.publish(closed(broken))

    async def well() -> bool:
        return all(each.state is PartState.running for each in HEALTH if each.name == "recommender lists: openings")

    await market.eventually(well)


def _unless(supplier_id: str, chosen: Callable[..., Any], supplier: advice.WaitingSupplier, *rest: Any) -> Any:
    if supplier.profile.supplier_id == supplier_id:
        raise ValueError("a profile that nobody can bear")
    return chosen(supplier, *rest)


@pytest.mark.parametrize("over", [the_end, the_withdrawal])
async def test_a_quick_quote_is_recommended_until_its_end(
    market: Market, over: Callable[[QuoteRequestOpened], Event]
) -> None:
    trade = its_own_trade()
    supplier, request = a_supplier(trade), a_request(market.clock(), category=trade)
    await market.publish(supplier, request, request)
    item = await until_listed(market, supplier.organisation_id, request.request_id)
    assert (item.kind, item.path, item.amount) == ("quote", f"/quotes/{request.request_id}", None)
    assert item.closes_at == request.closes_at and item.reasons[0] == f"You declared category TEST {trade.code}"
    async with market.browser(agent_of(supplier.organisation_id)) as browser:
        assert "quick quote" in (await browser.get("/recommendations")).text
    await market.publish(over(request))
    await until_gone(market, supplier.organisation_id, request.request_id)


async def test_a_past_award_is_a_reason_and_a_cancelled_one_is_not(market: Market) -> None:
    trade = its_own_trade()
    winner, loser, auction = a_supplier(), a_supplier(), an_auction(market.clock(), trade, place=NOWHERE)
    before = market.clock() - timedelta(days=30)
    won = an_award(winner.organisation_id, before, trade, source=None)
    lost = an_award(loser.organisation_id, before, trade, source=None, buyer="Another")
    cancelled = type(lost)(**{name: getattr(lost, name) for name in lost.__struct_fields__} | {"cancelled": True})
    await market.publish(winner, loser, won, lost, cancelled, auction)
    item = await until_listed(market, winner.organisation_id, auction.auction_id)
    assert item.reasons[0] == f"You won 1 contract in category TEST {trade.code}"
    assert "Department of Education bought from you 1 time" in item.reasons
    assert await published_for(market, loser.organisation_id) == []


async def test_a_contract_without_an_award_counts_until_it_is_cancelled(market: Market) -> None:
    trade = its_own_trade()
    supplier, auction = a_supplier(), an_auction(market.clock(), trade, place=NOWHERE)
    contract = ContractConcluded(
        process_id=new_id(), contract_id=new_id(), award_id=None, origin="import", buyer_id="b", buyer_name="B",
        supplier_id=supplier.organisation_id, supplier_name="", title="", category=trade, method="", place=NOWHERE,
        currency=None, amount=None, lines=(), signed_at=market.clock() - timedelta(days=9), source=ELSEWHERE,
    )  # fmt: skip
    await market.publish(contract, supplier, auction)
    await until_listed(market, supplier.organisation_id, auction.auction_id)
    ended = ContractEnded(
        process_id=contract.process_id, contract_id=contract.contract_id, supplier_id=supplier.organisation_id,
        buyer_id="b", reason="cancelled", by="buyer", evasion=False,
    )  # fmt: skip
    await market.publish(ended, an_auction(market.clock(), its_own_trade()))
    await until_gone(market, supplier.organisation_id, auction.auction_id)


async def test_a_standing_offer_counts_until_it_is_archived(market: Market) -> None:
    trade, supplier = its_own_trade(), a_supplier()
    auction = an_auction(market.clock(), trade, place=NOWHERE)
    today = market.clock().date()
    offer = OfferPublished(
        sku_id=new_id(), offer_id=new_id(), supplier_id=supplier.organisation_id, supplier_name="", category=trade,
        price=D(1), currency="RUB", vat_rate=D(0), vat_included=True, regions=("RU",), delivery_days=1, stock=MOSCOW,
        min_quantity=D(1), max_quantity=D(9), valid_from=today, valid_until=today + timedelta(days=30),
    )  # fmt: skip
    await market.publish(supplier, offer, auction)
    item = await until_listed(market, supplier.organisation_id, auction.auction_id)
    assert item.reasons == (f"You offer goods in category TEST {trade.code}",)
    archived = OfferArchived(
        sku_id=offer.sku_id, offer_id=offer.offer_id, supplier_id=supplier.organisation_id, reason="expired"
    )
    await market.publish(archived, offer)
    await until_gone(market, supplier.organisation_id, auction.auction_id)


async def test_a_repeat_and_a_change_that_says_nothing_new_publish_nothing(market: Market) -> None:
    trade = its_own_trade()
    supplier, auction = a_supplier(trade), an_auction(market.clock(), trade, place=NOWHERE)
    await market.publish(supplier, auction)
    await until_listed(market, supplier.organisation_id, auction.auction_id)
    another, elsewhere = a_supplier(its_own_trade()), its_own_trade()
    await market.publish(auction, supplier, an_auction(market.clock(), elsewhere, place=NOWHERE), another)
    marker = an_auction(market.clock(), another.categories[0], place=NOWHERE)
    await market.publish(marker)
    await until_listed(market, another.organisation_id, marker.auction_id)
    assert len(await published_for(market, supplier.organisation_id)) == 1


async def test_a_closed_auction_and_a_suspended_supplier_leave_the_lists(market: Market) -> None:
    trade = its_own_trade()
    one, other = a_supplier(trade), a_supplier(trade)
    auction, staying = an_auction(market.clock(), trade), an_auction(market.clock(), trade)
    await market.publish(one, other, auction, staying)
    await until_listed(market, one.organisation_id, auction.auction_id)
    await until_listed(market, other.organisation_id, staying.auction_id)
    await market.publish(closed(auction))
    await until_gone(market, one.organisation_id, auction.auction_id)
    assert staying.auction_id in await listed(market, one.organisation_id)
    await market.publish(
        OrganisationStateChanged(organisation_id=other.organisation_id, state="suspended", reason="evasion")
    )
    await until_gone(market, other.organisation_id, staying.auction_id)


def closed(auction: AuctionOpened) -> AuctionClosed:
    names = (
        "auction_id",
        "buyer_id",
        "title",
        "kind",
        "category",
        "place",
        "currency",
        "initial_price",
        "lines",
        "policy",
    )
    return AuctionClosed(
        **{name: getattr(auction, name) for name in names},
        outcome="unsuccessful", amount=None, winner_id=None, participants=0, bids=0,
        opened_at=auction.opens_at, closed_at=auction.closes_at,
    )  # fmt: skip


async def test_nobody_is_recommended_its_own_purchase(market: Market) -> None:
    trade = its_own_trade()
    both, rival = a_supplier(trade), a_supplier(trade)
    auction = an_auction(market.clock(), trade, buyer_id=both.organisation_id)
    await market.publish(both, rival, auction)
    await until_listed(market, rival.organisation_id, auction.auction_id)
    assert auction.auction_id not in await listed(market, both.organisation_id)


async def test_a_pool_is_coming_up_until_its_auction_opens(market: Market) -> None:
    trade = its_own_trade()
    supplier, pool = a_supplier(trade), a_pool(market.clock(), trade)
    await market.publish(supplier, pool)
    item = await until_listed(market, supplier.organisation_id, pool.pool_id)
    assert (item.kind, item.path, item.closes_at) == ("pool", f"/pools/{pool.pool_id}", pool.enrolment_ends_at)
    auction = an_auction(market.clock(), trade, pool_id=pool.pool_id)
    await market.publish(PoolFrozen(pool_id=pool.pool_id, members=2, lines=()), auction)
    await until_listed(market, supplier.organisation_id, auction.auction_id)
    await until_gone(market, supplier.organisation_id, pool.pool_id)


async def test_an_imported_tender_is_recommended_while_it_takes_bids(market: Market) -> None:
    trade = its_own_trade()
    supplier = a_supplier(trade)
    running, over = (
        TenderImported(
            process_id=new_id(), ocid="ocds-1", buyer_id=None, title="Far away", status="active", category=trade,
            closes_at=market.clock() + timedelta(days=days), source=ELSEWHERE,
        )
        for days in (5, -5)
    )  # fmt: skip
    await market.publish(over, supplier, running)
    item = await until_listed(market, supplier.organisation_id, running.process_id)
    assert item.kind == "tender"
    assert over.process_id not in await listed(market, supplier.organisation_id)


async def test_imported_suppliers_get_a_list_only_when_somebody_asks(market: Market) -> None:
    trade = its_own_trade()
    imported, native = a_supplier(trade, native=False), a_supplier(trade)
    auction = an_auction(market.clock(), trade)
    await market.publish(imported, native, auction)
    await until_listed(market, native.organisation_id, auction.auction_id)
    address = f"/api/recommender/suppliers/{imported.organisation_id}"
    async with market.client(agent_of(native.organisation_id)) as client:
        assert (await client.get(address)).json()["made_at"] is None

        async def made() -> list[dict[str, object]]:
            return (await client.get(address)).json()["items"]

        assert auction.auction_id in [item["opportunity_id"] for item in await market.eventually(made, 90)]
        private = await client.get(f"/api/recommender/suppliers/{native.organisation_id}")
        assert private.status_code == 404
    assert await published_for(market, imported.organisation_id) == []


async def test_a_dismissed_item_is_not_listed_until_it_is_restored(market: Market) -> None:
    trade = its_own_trade()
    supplier, auction = a_supplier(trade), an_auction(market.clock(), trade)
    await market.publish(supplier, auction)
    await until_listed(market, supplier.organisation_id, auction.auction_id)
    async with market.browser(agent_of(supplier.organisation_id)) as browser:
        page = (await browser.get("/recommendations")).text
        assert auction.title in page
        assert f"You declared category TEST {trade.code}" in page
        hidden = await browser.post(f"/recommendations/{auction.auction_id}/dismiss")
        assert "was hidden" in hidden.text
        assert "Show again" in hidden.text
        await until_gone(market, supplier.organisation_id, auction.auction_id)
        assert "Show again" in (await browser.get("/recommendations")).text
        restored = await browser.post(f"/recommendations/{auction.auction_id}/restore")
        assert "back into your list" in restored.text
        await until_listed(market, supplier.organisation_id, auction.auction_id)
        assert (await browser.post(f"/recommendations/{new_id()}/dismiss")).status_code == 404
    async with market.client(agent_of(supplier.organisation_id)) as client:
        for _ in range(2):
            answer = await client.post(f"/api/recommendations/{auction.auction_id}/dismiss")
            assert answer.status_code == 204
        assert (await client.get("/api/recommendations")).json()["items"] == []


async def test_an_end_that_moves_is_shown_but_makes_no_new_list(market: Market) -> None:
    trade = its_own_trade()
    supplier, auction = a_supplier(trade), an_auction(market.clock(), trade)
    await market.publish(supplier, auction)
    await until_listed(market, supplier.organisation_id, auction.auction_id)
    bid, later = auction.closes_at + timedelta(minutes=5), auction.closes_at + timedelta(minutes=15)
    await market.publish(
        BidAccepted(
            auction_id=auction.auction_id, sequence=1, participant=1, amount=D("89550"), arrived_at=market.clock(),
            closes_at=bid, extended=True,
        ),
        AuctionExtended(
            auction_id=auction.auction_id, reason="outage", since=market.clock(), until=market.clock(), closes_at=later
        ),
    )  # fmt: skip
    async with market.client(agent_of(supplier.organisation_id)) as client:

        async def moved() -> bool:
            items = (await client.get("/api/recommendations")).json()["items"]
            return items[0]["closes_at"] == later.isoformat().replace("+00:00", "Z")

        await market.eventually(moved)
    assert len(await published_for(market, supplier.organisation_id)) == 1


async def test_a_buyer_sees_whom_to_invite_only_to_its_own_auction(market: Market) -> None:
    trade = its_own_trade()
    expert, banned = a_supplier(native=False), a_supplier(native=False, state="suspended")
    auction = an_auction(market.clock(), trade)
    ago = market.clock() - timedelta(days=10)
    await market.publish(
        expert, banned, *(an_award(one.organisation_id, ago, trade) for one in (expert, expert, banned)), auction
    )
    address = f"/api/recommendations/suppliers?auction={auction.auction_id}"
    async with market.client(officer_of(auction.buyer_id)) as client:

        async def ranked() -> list[dict[str, object]]:
            return (await client.get(address)).json()["suppliers"]

        first = (await market.eventually(ranked, 90))[0]
        assert (first["supplier_id"], first["awards"], first["in_category"]) == (expert.organisation_id, 2, 2)
        assert banned.organisation_id not in [one["supplier_id"] for one in await ranked()]
        missing = await client.get(f"/api/recommendations/suppliers?auction={new_id()}")
        assert missing.status_code == 404
    async with market.client(officer_of(new_id())) as client:
        assert (await client.get(address)).status_code == 403
    async with market.client(agent_of(expert.organisation_id)) as client:
        assert (await client.get(address)).status_code == 403
    async with market.browser(officer_of(auction.buyer_id)) as browser:
        page = await browser.get("/recommendations/suppliers", auction=auction.auction_id)
        assert expert.name in page.text


async def test_the_page_of_an_unknown_supplier_says_what_to_do(market: Market) -> None:
    supplier = a_supplier()
    async with market.browser(agent_of(supplier.organisation_id)) as browser:
        assert "We are looking" in (await browser.get("/recommendations")).text
        await market.publish(supplier)

        async def advised() -> bool:
            return "Tell us what you sell" in (await browser.get("/recommendations")).text

        await market.eventually(advised, 90)


@pytest.mark.parametrize(
    ("path", "visitor", "agent", "officer"),
    [
        ("/recommendations", 401, 200, 403),
        ("/recommendations/suppliers?auction=x", 401, 403, 404),
        ("/recommender", 200, 200, 200),
        ("/api/recommendations", 401, 200, 403),
        ("/api/recommender/figures", 200, 200, 200),
        ("/api/recommender/co-purchases?sku=x", 200, 200, 200),
        ("/api/recommender/suppliers/x", 401, 404, 404),
    ],
)
async def test_pages_let_in_whom_they_are_for(
    market: Market, path: str, visitor: int, agent: int, officer: int
) -> None:
    for who, status in ((None, visitor), (agent_of(new_id()), agent), (officer_of(new_id()), officer)):
        async with market.client(who) as client:
            assert (await client.get(path)).status_code == status


async def test_a_mark_that_comes_while_a_list_is_made_is_not_lost(market: Market) -> None:
    supplier = a_supplier()
    database = market.resources.database
    async with database.transaction("recommender") as tx:
        await (await tx.raw()).execute(
            "insert into recommender.suppliers values ($1, '', 'active', '', '{}', true, $2)",
            supplier.organisation_id,
            tx.now - timedelta(days=1),
        )
        (seen,) = [
            one for one in await advice.take_waiting(tx, 1000) if one.profile.supplier_id == supplier.organisation_id
        ]
        await marks.mark(tx, [supplier.organisation_id])
        await marks.settle(tx, [seen.profile.supplier_id])
        still = [one.profile.supplier_id for one in await advice.take_waiting(tx, 1000)]
    assert supplier.organisation_id in still
