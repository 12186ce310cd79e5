"""Streaming views of Faust: what suppliers do in which categories, and what is bought together.

They improve the lists and answer the question "what else is bought with this". They can be rebuilt by replay.
"""

from collections.abc import Iterator, Sequence

from events.auctions import BidDisclosed
from events.catalogue import OfferPublished
from events.contracts import AwardMade, ContractConcluded
from events.imports import ProcessImported, processes_of
from events.quotes import QuoteDisclosed
from infra.database import Transaction
from infra.reactions import Reactions
from infra.service import View
from recommender.interest import co_purchase, interest
from services.recommender.store import market
from services.recommender.store.market import code_of

interests, purchases = Reactions(), Reactions()


async def add_bids(tx: Transaction, events: Sequence[BidDisclosed]) -> None:
    """Count bids after the close: while a mini-auction runs, nobody, not even this view, knows who bids."""
    valid = (event for event in events if event.category and event.status == "valid")
    await market.add_interest(tx, ((event.supplier_id, interest("bid", code_of(event.category))) for event in valid))


async def add_quotes(tx: Transaction, events: Sequence[QuoteDisclosed]) -> None:
    """Count quotes, which are disclosed after the close, in the same way as bids."""
    await market.add_interest(tx, ((event.supplier_id, interest("bid", code_of(event.category))) for event in events))


async def add_offers(tx: Transaction, events: Sequence[OfferPublished]) -> None:
    await market.add_interest(
        tx, ((event.supplier_id, interest("offered", code_of(event.category))) for event in events)
    )


async def add_awards(tx: Transaction, events: Sequence[AwardMade]) -> None:
    await market.add_interest(tx, _won(events))


def _won(events: Sequence[AwardMade]) -> Iterator[tuple[str, dict[str, int]]]:
    for event in events:
        if event.category and not event.cancelled:
            points = interest("won", code_of(event.category))
            yield from ((supplier_id, points) for supplier_id in event.supplier_ids)


async def add_contracts(tx: Transaction, events: Sequence[ContractConcluded]) -> None:
    await market.add_co_purchases(
        tx, (co_purchase(line.sku_id for line in event.lines if line.sku_id) for event in events)
    )


async def add_processes(tx: Transaction, events: Sequence[ProcessImported]) -> None:
    told = list(processes_of(events))
    await add_bids(tx, [bid for process in told for bid in process.bids])
    await add_awards(tx, [award for process in told for award in process.awards])


interests.many(ProcessImported, add_processes)
interests.many(BidDisclosed, add_bids)
interests.many(QuoteDisclosed, add_quotes)
interests.many(OfferPublished, add_offers)
interests.many(AwardMade, add_awards)
purchases.many(ContractConcluded, add_contracts)

VIEWS = (
    View("recommender.interest", interests, market.forget_interest),
    View("recommender.co-purchases", purchases, market.forget_co_purchases),
)
