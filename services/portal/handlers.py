"""What the home page hears of. Each reaction is one statement of :mod:`store`."""

from collections.abc import Mapping

from events import Event, Message
from events.accounts import OrganisationRegistered
from events.auctions import AuctionClosed, AuctionExtended, AuctionOpened, BidAccepted, BidDeleted, RoundBegan
from events.contracts import ContractConcluded, ContractEnded
from events.pools import PoolCancelled, PoolExtended, PoolFrozen, PoolMemberEnrolled, PoolMemberWithdrew, PoolOpened
from events.quotes import QuoteRequestClosed, QuoteRequestOpened, QuotingEnded
from infra.database import Transaction
from infra.service import Handler
from services.portal import store


async def on_organisation_registered(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, OrganisationRegistered)
    if "supplier" in message.event.roles:
        await store.add_supplier(tx, message.event.organisation_id)


async def on_auction_opened(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, AuctionOpened)
    await store.open_auction(tx, message.event)


async def on_bid_accepted(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, BidAccepted)
    await store.take_bid(tx, message.event)


async def on_bid_deleted(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, BidDeleted)
    await store.delete_bid(tx, message.event)


async def on_auction_extended(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, AuctionExtended | RoundBegan)
    await store.extend(tx, message.event.auction_id, message.event.closes_at)


async def on_auction_closed(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, AuctionClosed)
    await store.close(tx, message.event.auction_id)


async def on_quote_request_opened(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, QuoteRequestOpened)
    await store.open_quote_request(tx, message.event)


async def on_quoting_ended(tx: Transaction, message: Message) -> None:
    """A request that is withdrawn closes without a deadline."""
    assert isinstance(message.event, QuotingEnded | QuoteRequestClosed)
    await store.close(tx, message.event.request_id)


async def on_pool_opened(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, PoolOpened)
    await store.open_pool(tx, message.event)


async def on_pool_member(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, PoolMemberEnrolled | PoolMemberWithdrew)
    leaves = isinstance(message.event, PoolMemberWithdrew)
    await store.enrol(tx, message.event.pool_id, message.event.member_id, leaves=leaves)


async def on_pool_extended(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, PoolExtended)
    await store.extend(tx, message.event.pool_id, message.event.enrolment_ends_at)


async def on_enrolment_over(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, PoolFrozen | PoolCancelled)
    await store.close(tx, message.event.pool_id)


async def on_contract_concluded(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, ContractConcluded)
    await store.add_contract(tx, message.event)


async def on_contract_ended(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, ContractEnded)
    await store.drop_contract(tx, message.event.contract_id)


HANDLERS: Mapping[type[Event], Handler] = {
    OrganisationRegistered: on_organisation_registered,
    AuctionOpened: on_auction_opened,
    BidAccepted: on_bid_accepted,
    BidDeleted: on_bid_deleted,
    AuctionExtended: on_auction_extended,
    RoundBegan: on_auction_extended,
    AuctionClosed: on_auction_closed,
    QuoteRequestOpened: on_quote_request_opened,
    QuotingEnded: on_quoting_ended,
    QuoteRequestClosed: on_quoting_ended,
    PoolOpened: on_pool_opened,
    PoolMemberEnrolled: on_pool_member,
    PoolMemberWithdrew: on_pool_member,
    PoolExtended: on_pool_extended,
    PoolFrozen: on_enrolment_over,
    PoolCancelled: on_enrolment_over,
    ContractConcluded: on_contract_concluded,
    ContractEnded: on_contract_ended,
}
