"""What the home page hears of. Each reaction is one statement of :mod:`store`."""

from collections.abc import Sequence

from events.accounts import OrganisationRegistered
from events.auctions import AuctionClosed, AuctionExtended, AuctionOpened, BidAccepted, BidDeleted, RoundBegan
from events.contracts import ContractConcluded, ContractEnded
from events.imports import OrganisationImported, ProcessImported, organisations_of, processes_of
from events.pools import PoolCancelled, PoolExtended, PoolFrozen, PoolMemberEnrolled, PoolMemberWithdrew, PoolOpened
from events.quotes import QuoteRequestClosed, QuoteRequestOpened, QuotingEnded
from infra.database import Transaction
from infra.reactions import Reactions
from services.portal import store

reactions = Reactions()
reactions.on(AuctionOpened)(store.open_auction)
reactions.on(BidAccepted)(store.take_bid)
reactions.on(BidDeleted)(store.delete_bid)
reactions.on(QuoteRequestOpened)(store.open_quote_request)
reactions.on(PoolOpened)(store.open_pool)
reactions.many(ContractConcluded, store.add_contracts)
reactions.many(ContractEnded, store.drop_contracts)


async def count_suppliers(tx: Transaction, events: Sequence[OrganisationRegistered]) -> None:
    await store.add_suppliers(tx, [event.organisation_id for event in events if "supplier" in event.roles])


async def count_imported_suppliers(tx: Transaction, events: Sequence[OrganisationImported]) -> None:
    await count_suppliers(tx, list(organisations_of(events)))


async def count_imported_contracts(tx: Transaction, events: Sequence[ProcessImported]) -> None:
    told = list(processes_of(events))
    await store.add_contracts(tx, [contract for process in told for contract in process.contracts])
    await store.drop_contracts(tx, [ended for process in told for ended in process.endings])


reactions.many(OrganisationRegistered, count_suppliers)
reactions.many(OrganisationImported, count_imported_suppliers)
reactions.many(ProcessImported, count_imported_contracts)


@reactions.on(AuctionExtended, RoundBegan)
async def extend_auction(tx: Transaction, event: AuctionExtended | RoundBegan) -> None:
    await store.extend(tx, event.auction_id, event.closes_at)


@reactions.on(AuctionClosed)
async def close_auction(tx: Transaction, event: AuctionClosed) -> None:
    await store.close(tx, event.auction_id)


@reactions.on(QuotingEnded, QuoteRequestClosed)
async def close_quote_request(tx: Transaction, event: QuotingEnded | QuoteRequestClosed) -> None:
    """A request that is withdrawn closes without a deadline."""
    await store.close(tx, event.request_id)


@reactions.on(PoolMemberEnrolled, PoolMemberWithdrew)
async def count_member(tx: Transaction, event: PoolMemberEnrolled | PoolMemberWithdrew) -> None:
    await store.enrol(tx, event.pool_id, event.member_id, leaves=isinstance(event, PoolMemberWithdrew))


@reactions.on(PoolExtended)
async def extend_pool(tx: Transaction, event: PoolExtended) -> None:
    await store.extend(tx, event.pool_id, event.enrolment_ends_at)


@reactions.on(PoolFrozen, PoolCancelled)
async def close_pool(tx: Transaction, event: PoolFrozen | PoolCancelled) -> None:
    await store.close(tx, event.pool_id)
