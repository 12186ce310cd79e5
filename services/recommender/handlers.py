"""What the recommender hears of. Whatever may change a list marks it to be made anew; the timer does the work."""

from collections.abc import Mapping

from events import Event, Message
from events.accounts import OrganisationRegistered, OrganisationStateChanged
from events.auctions import AuctionClosed, AuctionExtended, AuctionOpened, BidAccepted
from events.catalogue import OfferArchived, OfferPublished, SkuPublished
from events.contracts import AwardMade, ContractConcluded, ContractEnded
from events.pools import PoolAllocated, PoolCancelled, PoolClosed, PoolExtended, PoolFrozen, PoolOpened
from events.quotes import QuoteRequestClosed, QuoteRequestOpened, QuotingEnded
from events.transparency import TenderImported
from infra.database import Transaction
from infra.service import Handler
from services.recommender.store import advice, market


async def on_organisation_registered(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, OrganisationRegistered)
    if "supplier" in message.event.roles:
        await market.put_supplier(tx, message.event)


async def on_state_changed(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, OrganisationStateChanged)
    await market.set_state(tx, message.event.organisation_id, message.event.state)


async def on_sku_published(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, SkuPublished)
    await market.put_sku(tx, message.event.sku_id, message.event.name)


async def on_offer_published(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, OfferPublished)
    await market.put_offer(tx, message.event)
    await advice.mark(tx, [message.event.supplier_id])


async def on_offer_archived(tx: Transaction, message: Message) -> None:
    event = message.event
    assert isinstance(event, OfferArchived)
    await market.archive_offer(tx, event.offer_id, event.supplier_id, event.sku_id)
    await advice.mark(tx, [event.supplier_id])


async def on_award_made(tx: Transaction, message: Message) -> None:
    event = message.event
    assert isinstance(event, AwardMade)
    await market.put_award(tx, event)
    if event.source is None:
        await advice.mark(tx, event.supplier_ids)


async def on_contract_concluded(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, ContractConcluded)
    if message.event.award_id is None:
        await market.put_contract(tx, message.event)


async def on_contract_ended(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, ContractEnded)
    await market.cancel_contract(tx, message.event.contract_id)


async def on_auction_opened(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, AuctionOpened)
    await market.open_auction(tx, message.event)
    await advice.mark_everyone(tx)


async def on_bid_accepted(tx: Transaction, message: Message) -> None:
    """Only the end matters here, and it moves in few of the bids. It is shown from the copy: no list is made for it."""
    assert isinstance(message.event, BidAccepted)
    if message.event.extended:
        await market.move_end(tx, message.event.auction_id, message.event.closes_at)


async def on_auction_extended(tx: Transaction, message: Message) -> None:
    """After an outage, or by a restart. Rounds are none: who did not bid before them cannot any more."""
    assert isinstance(message.event, AuctionExtended)
    await market.move_end(tx, message.event.auction_id, message.event.closes_at)


async def on_auction_closed(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, AuctionClosed)
    await market.close(tx, message.event.auction_id)
    await advice.mark_everyone(tx)


async def on_quote_request_opened(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, QuoteRequestOpened)
    await market.open_quote_request(tx, message.event)
    await advice.mark_everyone(tx)


async def on_quoting_ended(tx: Transaction, message: Message) -> None:
    """A request that is withdrawn closes without a deadline."""
    assert isinstance(message.event, QuotingEnded | QuoteRequestClosed)
    await market.close(tx, message.event.request_id)
    await advice.mark_everyone(tx)


async def on_pool_opened(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, PoolOpened)
    await market.open_pool(tx, message.event)
    await advice.mark_everyone(tx)


async def on_pool_extended(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, PoolExtended)
    await market.move_end(tx, message.event.pool_id, message.event.enrolment_ends_at)


async def on_pool_frozen(tx: Transaction, message: Message) -> None:
    """It will be sourced; until its mini-auction opens nobody knows the end."""
    assert isinstance(message.event, PoolFrozen)
    await market.move_end(tx, message.event.pool_id, None)


async def on_pool_over(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, PoolAllocated | PoolClosed | PoolCancelled)
    await market.close(tx, message.event.pool_id)
    await advice.mark_everyone(tx)


async def on_tender_imported(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, TenderImported)
    if await market.open_tender(tx, message.event):
        await advice.mark_everyone(tx)


HANDLERS: Mapping[type[Event], Handler] = {
    OrganisationRegistered: on_organisation_registered,
    OrganisationStateChanged: on_state_changed,
    SkuPublished: on_sku_published,
    OfferPublished: on_offer_published,
    OfferArchived: on_offer_archived,
    AwardMade: on_award_made,
    ContractConcluded: on_contract_concluded,
    ContractEnded: on_contract_ended,
    AuctionOpened: on_auction_opened,
    BidAccepted: on_bid_accepted,
    AuctionExtended: on_auction_extended,
    AuctionClosed: on_auction_closed,
    QuoteRequestOpened: on_quote_request_opened,
    QuotingEnded: on_quoting_ended,
    QuoteRequestClosed: on_quoting_ended,
    PoolOpened: on_pool_opened,
    PoolExtended: on_pool_extended,
    PoolFrozen: on_pool_frozen,
    PoolAllocated: on_pool_over,
    PoolClosed: on_pool_over,
    PoolCancelled: on_pool_over,
    TenderImported: on_tender_imported,
}
