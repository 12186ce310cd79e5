"""Reactions of the recommender to events. An event that may change lists marks them as outdated, or is recorded; the
timer does the work.

An opening does not mark lists: the timer handles it once it is near (:mod:`store.openings`)."""

from collections.abc import Sequence

from events.accounts import OrganisationRegistered, OrganisationStateChanged
from events.auctions import AuctionClosed, AuctionExtended, AuctionOpened, BidAccepted
from events.catalogue import OfferArchived, OfferPublished, SkuPublished
from events.contracts import AwardMade, ContractConcluded, ContractEnded
from events.imports import OrganisationImported, ProcessImported, organisations_of, processes_of
from events.pools import PoolAllocated, PoolCancelled, PoolClosed, PoolExtended, PoolFrozen, PoolOpened
from events.quotes import QuoteRequestClosed, QuoteRequestOpened, QuotingEnded
from events.transparency import TenderImported
from infra.database import Transaction
from infra.reactions import Reactions
from services.recommender.store import market, marks, openings

reactions = Reactions()
reactions.many(SkuPublished, market.put_skus)
reactions.on(OrganisationStateChanged)(market.set_state)
reactions.on(AuctionOpened)(market.open_auction)
reactions.on(QuoteRequestOpened)(market.open_quote_request)
reactions.on(PoolOpened)(market.open_pool)
reactions.on(AuctionExtended)(market.extend_auction)
reactions.on(PoolExtended)(market.extend_pool)
reactions.on(PoolFrozen)(market.freeze_pool)


async def put_suppliers(tx: Transaction, events: Sequence[OrganisationRegistered]) -> None:
    suppliers = [event for event in events if "supplier" in event.roles]
    await market.put_suppliers(tx, suppliers)
    native = [event for event in suppliers if event.source is None]
    await marks.keep_trades(
        tx, [(event.organisation_id, [market.code_of(category) for category in event.categories]) for event in native]
    )


async def put_offers(tx: Transaction, events: Sequence[OfferPublished]) -> None:
    await market.put_offers(tx, events)
    await marks.mark(tx, {event.supplier_id for event in events})


async def archive_offers(tx: Transaction, events: Sequence[OfferArchived]) -> None:
    await market.archive_offers(tx, events)
    await marks.mark(tx, {event.supplier_id for event in events})


async def put_awards(tx: Transaction, events: Sequence[AwardMade]) -> None:
    await market.put_awards(tx, events)
    await marks.mark(tx, {one for event in events if event.source is None for one in event.supplier_ids})


async def put_contracts(tx: Transaction, events: Sequence[ContractConcluded]) -> None:
    """Store contracts that name no award; the others were counted with their awards."""
    counted = [event for event in events if event.award_id is None]
    await market.put_contracts(tx, counted)
    await marks.keep_trades(tx, [(event.supplier_id, [market.code_of(event.category)]) for event in counted])
    await marks.mark(tx, {event.supplier_id for event in counted if event.source is None})


async def cancel_contracts(tx: Transaction, events: Sequence[ContractEnded]) -> None:
    await market.cancel_contracts(tx, events)
    await marks.mark(tx, {event.supplier_id for event in events})


async def put_imported_suppliers(tx: Transaction, events: Sequence[OrganisationImported]) -> None:
    await put_suppliers(tx, list(organisations_of(events)))


async def put_processes(tx: Transaction, events: Sequence[ProcessImported]) -> None:
    told = list(processes_of(events))
    await market.put_tenders(tx, [process.tender for process in told if process.tender])
    await market.put_awards(tx, [award for process in told for award in process.awards])
    await put_contracts(tx, [contract for process in told for contract in process.contracts])
    await cancel_contracts(tx, [ended for process in told for ended in process.endings])


reactions.many(OrganisationImported, put_imported_suppliers)
reactions.many(ProcessImported, put_processes)
reactions.many(OrganisationRegistered, put_suppliers)
reactions.many(OfferPublished, put_offers)
reactions.many(OfferArchived, archive_offers)
reactions.many(AwardMade, put_awards)
reactions.many(ContractConcluded, put_contracts)
reactions.many(ContractEnded, cancel_contracts)
reactions.many(TenderImported, market.put_tenders)


@reactions.on(BidAccepted)
async def follow_bid(tx: Transaction, event: BidAccepted) -> None:
    """Store the new end of the auction, which only few bids change. Pages read it from this copy, so no list is made
    again."""
    if event.extended:
        await market.extend_auction(tx, event)


@reactions.on(AuctionClosed)
async def close_auction(tx: Transaction, event: AuctionClosed) -> None:
    await _close(tx, event.auction_id)


@reactions.on(QuotingEnded, QuoteRequestClosed)
async def close_quote_request(tx: Transaction, event: QuotingEnded | QuoteRequestClosed) -> None:
    """A request that is withdrawn closes without a deadline."""
    await _close(tx, event.request_id)


@reactions.on(PoolAllocated, PoolClosed, PoolCancelled)
async def close_pool(tx: Transaction, event: PoolAllocated | PoolClosed | PoolCancelled) -> None:
    await _close(tx, event.pool_id)


async def _close(tx: Transaction, opportunity_id: str) -> None:
    if await openings.close(tx, opportunity_id):
        await marks.note_changed(tx, [opportunity_id])
