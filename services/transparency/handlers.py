"""What transparency hears of this market, and publishes. Imported facts are not ours to publish: their source did.

A release is made of the event that calls for it and of what was heard before. Events of one process come in order; the particulars of
its organisations, from another topic, may come later, and then show from the next release on.
"""

from collections.abc import Sequence
from datetime import datetime

from events import Envelope
from events.accounts import OrganisationRegistered
from events.auctions import AuctionClosed, AuctionExtended, AuctionOpened, BidAccepted, BidDisclosed, RoundBegan
from events.contracts import AwardMade, ContractConcluded, ContractDrafted, ContractEnded
from events.quotes import QuoteDisclosed, QuoteRequestClosed, QuoteRequestOpened, QuotingEnded
from events.transparency import ReleasePublished
from infra.database import Transaction
from infra.reactions import Reactions
from services.transparency import store
from services.transparency.ocds import implementation, outgoing, outgoing_quotes
from services.transparency.ocds.mapping import ORIGIN
from services.transparency.ocds.parts import Json

reactions = Reactions()
reactions.on(AuctionExtended, RoundBegan)(store.move_end)


async def keep_parties(tx: Transaction, events: Sequence[OrganisationRegistered]) -> None:
    await store.keep_parties(tx, [event for event in events if event.source is None])


reactions.many(OrganisationRegistered, keep_parties)


@reactions.with_envelope(AuctionOpened)
async def publish_opened(tx: Transaction, event: AuctionOpened, envelope: Envelope) -> None:
    at = envelope.time
    known = await store.parties(tx, outgoing.organisations_of(event))
    await store.open_session(tx, event)
    await _publish(tx, event.pool_id or event.auction_id, outgoing.tender_opened(event, at, known), at)


@reactions.on(BidAccepted)
async def follow_bid(tx: Transaction, event: BidAccepted) -> None:
    """Only the end matters here, and it moves in few of the bids."""
    if event.extended:
        await store.move_end(tx, event)


@reactions.on(BidDisclosed)
async def keep_bid(tx: Transaction, event: BidDisclosed) -> None:
    if event.source is None:
        await store.keep_bid(tx, event)


@reactions.with_envelope(AuctionClosed)
async def publish_closed(tx: Transaction, event: AuctionClosed, envelope: Envelope) -> None:
    at = envelope.time
    bids = await store.disclosed_bids(tx, event.auction_id)
    await store.close_session(tx, event.auction_id)
    known = await store.parties(tx, outgoing.organisations_of(event, bids))
    await _publish(tx, event.pool_id or event.auction_id, outgoing.tender_closed(event, bids, at, known), at)


@reactions.with_envelope(QuoteRequestOpened)
async def publish_request(tx: Transaction, event: QuoteRequestOpened, envelope: Envelope) -> None:
    at = envelope.time
    known = await store.parties(tx, {event.buyer_id})
    await _publish(tx, event.request_id, outgoing_quotes.opened(event, at, known), at)


@reactions.with_envelope(QuotingEnded)
async def publish_end_of_quoting(tx: Transaction, event: QuotingEnded, envelope: Envelope) -> None:
    at = envelope.time
    await _publish(tx, event.request_id, outgoing_quotes.ended(event, at), at)


@reactions.on(QuoteDisclosed)
async def keep_quote(tx: Transaction, event: QuoteDisclosed) -> None:
    await store.keep_bid(tx, outgoing_quotes.as_bid(event))


@reactions.with_envelope(QuoteRequestClosed)
async def publish_choice(tx: Transaction, event: QuoteRequestClosed, envelope: Envelope) -> None:
    at = envelope.time
    quotes = await store.disclosed_bids(tx, event.request_id)
    known = await store.parties(tx, {event.winner_id} if event.winner_id else set())
    await _publish(tx, event.request_id, outgoing_quotes.closed(event, quotes, at, known), at)


@reactions.with_envelope(AwardMade)
async def publish_award(tx: Transaction, event: AwardMade, envelope: Envelope) -> None:
    at = envelope.time
    if event.origin != ORIGIN:
        known = await store.parties(tx, outgoing.organisations_of(event))
        await _publish(tx, event.process_id, outgoing.award_made(event, at, known), at)


@reactions.with_envelope(ContractDrafted)
async def publish_draft(tx: Transaction, event: ContractDrafted, envelope: Envelope) -> None:
    at = envelope.time
    known = await store.parties(tx, outgoing.organisations_of(event))
    await _publish(tx, event.process_id, outgoing.contract_drafted(event, at, known), at)


@reactions.with_envelope(ContractConcluded)
async def publish_contract(tx: Transaction, event: ContractConcluded, envelope: Envelope) -> None:
    at = envelope.time
    if event.origin != ORIGIN:
        known = await store.parties(tx, outgoing.organisations_of(event))
        said = await store.said_of_contract(tx, outgoing.ocid_of(event.process_id), event.contract_id)
        await _publish(tx, event.process_id, outgoing.contract_concluded(event, at, known, said), at)


@reactions.with_envelope(ContractEnded)
async def publish_end(tx: Transaction, event: ContractEnded, envelope: Envelope) -> None:
    at = envelope.time
    said = await store.said_of_contract(tx, outgoing.ocid_of(event.process_id), event.contract_id)
    release = outgoing.contract_ended(event, at, said)
    if release is not None:
        await _publish(tx, event.process_id, release, at)


@reactions.with_envelope(*implementation.CARRIED_OUT)
async def publish_carried_out(tx: Transaction, event: implementation.CarriedOut, envelope: Envelope) -> None:
    """Orders as milestones, payments as transactions, and the closure."""
    at = envelope.time
    known = await store.parties(tx, implementation.sides_of(event))
    milestone = implementation.milestone_of(event)
    said = await store.said_of_contract(tx, outgoing.ocid_of(event.subject), event.contract_id, milestone)
    release = implementation.carried_out(event, at, known, said)
    if release is not None:
        await _publish(tx, event.subject, release, at)


async def moved_ends(tx: Transaction, but: Sequence[str]) -> list[store.Session]:
    return await store.lock_moved(tx, 100, but)


async def tell_ends(tx: Transaction, moved: Sequence[store.Session]) -> None:
    """The timer's: many bids may move an end within seconds, and the feed says where it is now."""
    for each in moved:
        release = outgoing.tender_extended(each.process_id, each.opens_at, each.closes_at, tx.now)
        await _publish(tx, each.process_id, release, tx.now)
    await store.set_told(tx, [each.auction_id for each in moved])


async def _publish(tx: Transaction, process_id: str, release: Json, at: datetime) -> None:
    """Add the release to the feed and tell; one that is there already is left alone."""
    named = [party["id"] for party in release.get("parties", ())]
    release = outgoing.with_earlier_roles(release, await store.parties_before(tx, release["ocid"], named))
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
