"""What transparency hears of this market, and publishes. Imported facts are not ours to publish: their source did.

A release is made of the event that calls for it and of what was heard before. Events of one process come in order; the particulars of
its organisations, from another topic, may come later, and then show from the next release on.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from events import Event, Message
from events.accounts import OrganisationRegistered
from events.auctions import AuctionClosed, AuctionExtended, AuctionOpened, BidAccepted, BidDisclosed, RoundBegan
from events.contracts import AwardMade, ContractConcluded, ContractDrafted, ContractEnded
from events.quotes import QuoteDisclosed, QuoteRequestClosed, QuoteRequestOpened, QuotingEnded
from events.transparency import ReleasePublished
from infra.database import Transaction
from infra.service import Handler
from services.transparency import implementation, outgoing, outgoing_quotes, store
from services.transparency.mapping import ORIGIN
from services.transparency.parts import Json


async def on_organisation_registered(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, OrganisationRegistered)
    if message.event.source is None:
        await store.keep_party(tx, message.event)


async def on_auction_opened(tx: Transaction, message: Message) -> None:
    event, at = message.event, message.envelope.time
    assert isinstance(event, AuctionOpened)
    known = await store.parties(tx, outgoing.organisations_of(event))
    await store.open_session(tx, event)
    await _publish(tx, event.pool_id or event.auction_id, outgoing.tender_opened(event, at, known), at)


async def on_bid_accepted(tx: Transaction, message: Message) -> None:
    """Only the end matters here, and it moves in few of the bids."""
    assert isinstance(message.event, BidAccepted)
    if message.event.extended:
        await store.move_end(tx, message.event.auction_id, message.event.closes_at)


async def on_end_moved(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, AuctionExtended | RoundBegan)
    await store.move_end(tx, message.event.auction_id, message.event.closes_at)


async def on_bid_disclosed(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, BidDisclosed)
    if message.event.source is None:
        await store.keep_bid(tx, message.event)


async def on_auction_closed(tx: Transaction, message: Message) -> None:
    event, at = message.event, message.envelope.time
    assert isinstance(event, AuctionClosed)
    bids = await store.disclosed_bids(tx, event.auction_id)
    await store.close_session(tx, event.auction_id)
    known = await store.parties(tx, outgoing.organisations_of(event, bids))
    await _publish(tx, event.pool_id or event.auction_id, outgoing.tender_closed(event, bids, at, known), at)


async def on_quote_request_opened(tx: Transaction, message: Message) -> None:
    event, at = message.event, message.envelope.time
    assert isinstance(event, QuoteRequestOpened)
    known = await store.parties(tx, {event.buyer_id})
    await _publish(tx, event.request_id, outgoing_quotes.opened(event, at, known), at)


async def on_quoting_ended(tx: Transaction, message: Message) -> None:
    event, at = message.event, message.envelope.time
    assert isinstance(event, QuotingEnded)
    await _publish(tx, event.request_id, outgoing_quotes.ended(event, at), at)


async def on_quote_disclosed(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, QuoteDisclosed)
    await store.keep_bid(tx, outgoing_quotes.as_bid(message.event))


async def on_quote_request_closed(tx: Transaction, message: Message) -> None:
    event, at = message.event, message.envelope.time
    assert isinstance(event, QuoteRequestClosed)
    quotes = await store.disclosed_bids(tx, event.request_id)
    known = await store.parties(tx, {event.winner_id} if event.winner_id else set())
    await _publish(tx, event.request_id, outgoing_quotes.closed(event, quotes, at, known), at)


async def on_award_made(tx: Transaction, message: Message) -> None:
    event, at = message.event, message.envelope.time
    assert isinstance(event, AwardMade)
    if event.origin != ORIGIN:
        known = await store.parties(tx, outgoing.organisations_of(event))
        await _publish(tx, event.process_id, outgoing.award_made(event, at, known), at)


async def on_contract_drafted(tx: Transaction, message: Message) -> None:
    event, at = message.event, message.envelope.time
    assert isinstance(event, ContractDrafted)
    known = await store.parties(tx, outgoing.organisations_of(event))
    await _publish(tx, event.process_id, outgoing.contract_drafted(event, at, known), at)


async def on_contract_concluded(tx: Transaction, message: Message) -> None:
    event, at = message.event, message.envelope.time
    assert isinstance(event, ContractConcluded)
    if event.origin != ORIGIN:
        known = await store.parties(tx, outgoing.organisations_of(event))
        history = await store.history(tx, outgoing.ocid_of(event.process_id))
        await _publish(tx, event.process_id, outgoing.contract_concluded(event, at, known, history), at, history)


async def on_contract_ended(tx: Transaction, message: Message) -> None:
    event, at = message.event, message.envelope.time
    assert isinstance(event, ContractEnded)
    history = await store.history(tx, outgoing.ocid_of(event.process_id))
    release = outgoing.contract_ended(event, at, history)
    if release is not None:
        await _publish(tx, event.process_id, release, at, history)


async def on_carried_out(tx: Transaction, message: Message) -> None:
    """Orders as milestones, payments as transactions, and the closure."""
    event, at = message.event, message.envelope.time
    assert isinstance(event, implementation.CarriedOut)
    known = await store.parties(tx, implementation.sides_of(event))
    history = await store.history(tx, outgoing.ocid_of(event.subject))
    release = implementation.carried_out(event, at, known, history)
    if release is not None:
        await _publish(tx, event.subject, release, at, history)


async def tell_ends(tx: Transaction) -> int:
    """The timer's: many bids may move an end within seconds, and the feed says where it is now."""
    moved = await store.take_moved(tx, 100)
    for each in moved:
        release = outgoing.tender_extended(each.process_id, each.opens_at, each.closes_at, tx.now)
        await _publish(tx, each.process_id, release, tx.now, ())
    return len(moved)


async def _publish(
    tx: Transaction, process_id: str, release: Json, at: datetime, history: Sequence[Json] | None = None
) -> None:
    """Add the release to the feed and tell; one that is there already is left alone."""
    if history is None:
        history = await store.history(tx, release["ocid"])
    release = outgoing.with_earlier_roles(release, history)
    if await store.publish(tx, process_id, release, at):
        tx.emit(
            ReleasePublished(
                process_id=process_id,
                ocid=release["ocid"],
                release_id=release["id"],
                tags=tuple(release["tag"]),
                released_at=at,
            )
        )


HANDLERS: Mapping[type[Event], Handler] = {
    OrganisationRegistered: on_organisation_registered,
    AuctionOpened: on_auction_opened,
    BidAccepted: on_bid_accepted,
    AuctionExtended: on_end_moved,
    RoundBegan: on_end_moved,
    BidDisclosed: on_bid_disclosed,
    AuctionClosed: on_auction_closed,
    QuoteRequestOpened: on_quote_request_opened,
    QuotingEnded: on_quoting_ended,
    QuoteDisclosed: on_quote_disclosed,
    QuoteRequestClosed: on_quote_request_closed,
    AwardMade: on_award_made,
    ContractDrafted: on_contract_drafted,
    ContractConcluded: on_contract_concluded,
    ContractEnded: on_contract_ended,
    **dict.fromkeys(implementation.CARRIED_OUT, on_carried_out),
}
