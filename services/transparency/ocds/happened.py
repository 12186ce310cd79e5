"""Makes the OCDS release for an event of this market. Pure: what was published before is an argument
(:mod:`history`)."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never, get_args

from events.auctions import AuctionClosed, AuctionOpened, BidDisclosed
from events.codec import Event
from events.contracts import AwardMade, ContractConcluded, ContractDrafted, ContractEnded
from events.quotes import QuoteRequestClosed, QuoteRequestOpened, QuotingEnded
from services.transparency.ocds import implementation, outgoing, outgoing_quotes
from services.transparency.ocds.history import AskedContract, ReleaseHistory
from services.transparency.ocds.implementation import CarriedOut
from services.transparency.ocds.mapping import ORIGIN
from services.transparency.ocds.outgoing import Known, number_of, ocid_of
from services.transparency.ocds.parts import Json

Happened = (
    AuctionOpened
    | AuctionClosed
    | QuoteRequestOpened
    | QuotingEnded
    | QuoteRequestClosed
    | AwardMade
    | ContractDrafted
    | ContractConcluded
    | ContractEnded
    | CarriedOut
)
HAPPENED: tuple[type[Event], ...] = get_args(Happened)
"""The events that lead to a release."""


def is_ours(event: Happened) -> bool:
    """Whether the event is of this market. Imported facts are not published again, because their source published
    them."""
    return not (isinstance(event, AwardMade | ContractConcluded) and event.origin == ORIGIN)


def process_of(event: Happened) -> str:
    if isinstance(event, AuctionOpened | AuctionClosed):
        return event.pool_id or event.auction_id
    return event.subject


def release_id_of(event: Happened) -> str:
    """The id of the event's release, which is known before it is made: the same event gives the same id."""
    return number_of(process_of(event), event)


def auction_of(event: Happened) -> str | None:
    """The auction whose disclosed bids or quotes the release shows."""
    if isinstance(event, AuctionClosed | QuoteRequestClosed):
        return event.subject
    return None


def organisations_of(event: Happened) -> set[str]:
    """The organisations whose data the release may show."""
    match event:
        case QuoteRequestOpened():
            return {event.buyer_id}
        case AuctionClosed() | QuoteRequestClosed():
            return {event.buyer_id, event.winner_id} if event.winner_id else {event.buyer_id}
        case AuctionOpened() | AwardMade() | ContractDrafted() | ContractConcluded():
            return outgoing.organisations_of(event)
    return implementation.sides_of(event)


def asked_of(event: Happened) -> AskedContract | None:
    """The contract and its milestone ("" for none) whose history the release needs."""
    match event:
        case ContractConcluded() | ContractEnded():
            return AskedContract(ocid_of(event.process_id), event.contract_id)
        case _ if isinstance(event, CarriedOut):
            return AskedContract(ocid_of(event.process_id), event.contract_id, implementation.milestone_of(event))
    return None


def release(
    event: Happened, at: datetime, known: Known, bids: Sequence[BidDisclosed], history: ReleaseHistory
) -> Json | None:
    """The release of an event; None if there is nothing to publish. ``known`` may have data of other organisations
    too."""
    asked = asked_of(event)
    said = history.of(asked) if asked else ()
    match event:
        case AuctionOpened():
            return outgoing.tender_opened(event, at, known)
        case AuctionClosed():
            return outgoing.tender_closed(event, bids, at, known)
        case QuoteRequestOpened():
            return outgoing_quotes.opened(event, at, known)
        case QuotingEnded():
            return outgoing_quotes.ended(event, at)
        case QuoteRequestClosed():
            return outgoing_quotes.closed(event, bids, at, known)
        case AwardMade():
            return outgoing.award_made(event, at, known)
        case ContractDrafted():
            return outgoing.contract_drafted(event, at, known)
        case ContractConcluded():
            return outgoing.contract_concluded(event, at, known, said)
        case ContractEnded():
            return outgoing.contract_ended(event, at, said)
        case _ if isinstance(event, CarriedOut):
            return implementation.carried_out(event, at, known, said)
    assert_never(event)
