"""Makes OCDS 1.1 releases of quick quotes, as :mod:`outgoing` does of mini-auctions: before the choice only the number
of quotes is published, then the quote of each participant, and the name of the chosen one."""

from collections.abc import Sequence
from datetime import datetime

from events.auctions import BidDisclosed
from events.quotes import QuoteDisclosed, QuoteRequestClosed, QuoteRequestOpened, QuotingEnded
from services.transparency.ocds.outgoing import LOT, METHODS, Known, bid_of, release_of
from services.transparency.ocds.parts import Json, Parties, delivery, filled, items, period

BEST_FIT = "The buyer chooses the quote that fits best, without knowing whose it is, and justifies one that is not the cheapest."


def as_bid(event: QuoteDisclosed) -> BidDisclosed:
    """A quote as a bid of its process, without its lines, which are used only to compare prices."""
    return BidDisclosed(
        auction_id=event.request_id,
        bid_id=event.quote_id,
        supplier_id=event.supplier_id,
        participant=event.participant,
        rank=event.rank,
        amount=event.amount,
        currency=event.currency,
        bid_at=event.quoted_at,
        buyer_id=event.buyer_id,
    )


def opened(event: QuoteRequestOpened, at: datetime, known: Known) -> Json:
    parties = Parties(known)
    buyer = parties.refer(event.buyer_id, event.buyer_name, "buyer", "procuringEntity")
    method, details = METHODS["quote"]
    tender = filled(
        {
            "id": event.request_id,
            "title": event.title,
            "description": event.requirements,
            "status": "active",
            "procuringEntity": buyer,
            "procurementMethod": method,
            "procurementMethodDetails": f"{details}, policy {event.policy}",
            "mainProcurementCategory": event.kind,
            "awardCriteria": "ratedCriteria",
            "awardCriteriaDetails": BEST_FIT,
            "submissionMethod": ["electronicSubmission"],
            "tenderPeriod": period(event.opened_at, event.closes_at),
            "awardPeriod": period(event.closes_at, event.choose_by),
            "items": items(event.lines, event.currency, LOT),
            "lots": [{"id": LOT, "title": event.title, "status": "active"}],
            **delivery(event.place),
        }
    )
    return release_of(event.request_id, event, at, ["tender"], parties, {"buyer": buyer, "tender": tender})


def ended(event: QuotingEnded, at: datetime) -> Json:
    tender = {
        "id": event.request_id,
        "title": event.title,
        "status": "active",
        "numberOfTenderers": event.quotes,
        "tenderPeriod": period(event.opened_at, event.ended_at),
    }
    return release_of(event.request_id, event, at, ["tenderUpdate"], Parties({}), {"tender": tender})


def closed(event: QuoteRequestClosed, quotes: Sequence[BidDisclosed], at: datetime, known: Known) -> Json:
    """The release about the end of the request. ``quotes`` are the disclosed ones. The award comes in a later
    release."""
    parties = Parties(known)
    status = {"awarded": "complete", "withdrawn": "cancelled"}.get(event.outcome, "unsuccessful")
    said = f"The buyer: {event.justification or event.reason}" if event.justification or event.reason else ""
    ranked = sorted(quotes, key=lambda quote: quote.rank or 0)
    chosen = period(event.ended_at, event.closed_at) if event.outcome != "withdrawn" else {}
    tender = {
        "id": event.request_id,
        "title": event.title,
        "status": status,
        "awardCriteriaDetails": f"{BEST_FIT} {said}".strip(),
        "numberOfTenderers": event.quotes,
        "tenderPeriod": period(event.opened_at, event.ended_at),
        "awardPeriod": chosen,
        "lots": [{"id": LOT, "status": status}],
    }
    statistics: list[Json] = [{"id": "bids", "measure": "bids", "value": event.quotes, "relatedLot": LOT}]
    if event.cheapest is not None:
        lowest = {"measure": "lowestValidBidValue", "value": event.cheapest, "currency": event.currency}
        statistics.append({"id": "lowest", **lowest, "relatedLot": LOT})
    details = [bid_of(quote, event.request_id, event.winner_id, event.currency, parties) for quote in ranked]
    bids = filled({"statistics": statistics, "details": details})
    return release_of(event.request_id, event, at, ["tenderUpdate"], parties, {"tender": filled(tender), "bids": bids})
