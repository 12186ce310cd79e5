"""Reactions of the home page to events. Each is one statement of :mod:`store`."""

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
reactions.on(PoolMemberEnrolled, PoolMemberWithdrew)(store.count_member)
reactions.on(AuctionExtended, RoundBegan, PoolExtended)(store.extend)
reactions.on(AuctionClosed, QuotingEnded, QuoteRequestClosed, PoolFrozen, PoolCancelled)(store.close)
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
