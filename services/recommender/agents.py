"""Streaming views, kept by Faust: what suppliers do in which categories, and what is bought together.

They refine the lists and answer the question "what else is bought with this"; a replay makes them anew.
"""

from events import Message
from events.auctions import BidDisclosed
from events.catalogue import OfferPublished
from events.contracts import AwardMade, ContractConcluded
from events.quotes import QuoteDisclosed
from infra.database import Transaction
from infra.reactions import from_handlers
from infra.service import View
from recommender.interest import co_purchase, interest
from services.recommender.store import market
from services.recommender.store.market import code_of


async def on_bid_disclosed(tx: Transaction, message: Message) -> None:
    """After the close: while a mini-auction runs nobody, not even this view, knows who bids."""
    event = message.event
    assert isinstance(event, BidDisclosed)
    if event.category and event.status == "valid":
        await market.add_interest(tx, event.supplier_id, interest("bid", code_of(event.category)))


async def on_quote_disclosed(tx: Transaction, message: Message) -> None:
    """A sealed quote, told after the close, says the same of its supplier as a bid."""
    event = message.event
    assert isinstance(event, QuoteDisclosed)
    await market.add_interest(tx, event.supplier_id, interest("bid", code_of(event.category)))


async def on_offer_published(tx: Transaction, message: Message) -> None:
    event = message.event
    assert isinstance(event, OfferPublished)
    await market.add_interest(tx, event.supplier_id, interest("offered", code_of(event.category)))


async def on_award_made(tx: Transaction, message: Message) -> None:
    event = message.event
    assert isinstance(event, AwardMade)
    if event.category and not event.cancelled:
        for supplier_id in event.supplier_ids:
            await market.add_interest(tx, supplier_id, interest("won", code_of(event.category)))


async def on_contract_concluded(tx: Transaction, message: Message) -> None:
    event = message.event
    assert isinstance(event, ContractConcluded)
    pairs = co_purchase(line.sku_id for line in event.lines if line.sku_id)
    if pairs:
        await market.add_co_purchases(tx, pairs)


VIEWS = (
    View(
        "recommender.interest",
        from_handlers(
            {
                BidDisclosed: on_bid_disclosed,
                QuoteDisclosed: on_quote_disclosed,
                OfferPublished: on_offer_published,
                AwardMade: on_award_made,
            }
        ),
        market.forget_interest,
    ),
    View(
        "recommender.co-purchases",
        from_handlers({ContractConcluded: on_contract_concluded}),
        market.forget_co_purchases,
    ),
)
