"""Makes OCDS 1.1 releases from events of this market. Pure: the same event gives the same release, with the same id.

One process is one ocid: a mini-auction or quick quote with its contract, a direct purchase, or a pool with its mini-auction and all
its contracts.
A mini-auction or quick quote is one lot; in a pool each member's part is a lot that names the member as its buyer.

Losing bidders stay unnamed: while bids are accepted, nothing is published about them, and after the close only the
winning bid names its bidder; the others are "participant n" (docs/rules.md sections 0 and 3). Suppliers of awards and
contracts are public.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from events.accounts import OrganisationRegistered
from events.auctions import AuctionClosed, AuctionOpened, BidDisclosed
from events.codec import Event
from events.contracts import AwardMade, ContractConcluded, ContractDrafted, ContractEnded
from services.transparency.ocds.parts import Json, Parties, date, delivery, filled, items, period, value
from services.transparency.ocds.process import derived_id

PREFIX = "ocds-lonja1"
"""The operator of a market registers a prefix with the Open Contracting Partnership and writes it here, once, before
publishing: https://standard.open-contracting.org/latest/en/guidance/build/#register-an-ocid-prefix"""

LOT = "1"
METHODS = {
    "auction": ("open", "Mini-auction"),
    "pool": ("open", "Joint purchase by mini-auction"),
    "quote": ("open", "Quick quote"),
    "purchase": ("direct", "Direct purchase from a catalogue offer"),
}
TENDER_STATUS = {
    "successful": "complete",
    "unsuccessful": "unsuccessful",
    "withdrawn": "cancelled",
    "cancelled": "cancelled",
}
"""OCDS ``tenderStatus`` codes by the outcome of an auction."""
Known = Mapping[str, OrganisationRegistered]


def ocid_of(process_id: str) -> str:
    return f"{PREFIX}-{process_id}"


def organisations_of(event: Event, bids: Sequence[BidDisclosed] = ()) -> set[str]:
    """The organisations whose data a release of this event may show."""
    match event:
        case AuctionOpened():
            return {event.buyer_id}
        case AuctionClosed():
            return {event.buyer_id, *(bid.supplier_id for bid in bids if bid.supplier_id == event.winner_id)}
        case AwardMade():
            return {event.buyer_id, *event.supplier_ids}
        case ContractDrafted() | ContractConcluded():
            return {event.buyer_id, event.supplier_id}
    return set()


def tender_opened(event: AuctionOpened, at: datetime, known: Known) -> Json:
    """The release of the call: what is bought, for at most how much, and until when."""
    parties = Parties(known)
    buyer = parties.refer(event.buyer_id, event.buyer_name, "buyer", "procuringEntity")
    ceiling = value(event.initial_price, event.currency)
    method, details = METHODS["pool" if event.pool_id else "auction"]
    tender = {
        "id": event.pool_id or event.auction_id,
        "title": event.title,
        "status": "active",
        "procuringEntity": buyer,
        "procurementMethod": method,
        "procurementMethodDetails": f"{details}, policy {event.policy}",
        "mainProcurementCategory": event.kind,
        "awardCriteria": "priceOnly",
        "submissionMethod": ["electronicAuction"],
        "value": ceiling,
        "tenderPeriod": period(event.opens_at, event.closes_at),
        "items": items(event.lines, event.currency, LOT),
        "lots": [{"id": LOT, "title": event.title, "status": "active", "value": ceiling}],
        "techniques": {
            "hasElectronicAuction": True,
            "electronicAuction": {
                "description": f"Reverse auction for the whole lot: a bid lowers the price by one step of {event.step}"
                f" {event.currency} or several, and late bids extend the mini-auction."
            },
        },
        **delivery(event.place),
    }
    return release_of(
        event.pool_id or event.auction_id, event, at, ["tender"], parties, {"buyer": buyer, "tender": tender}
    )


def tender_extended(process_id: str, opens_at: datetime, closes_at: datetime, at: datetime) -> Json:
    """The release about an auction whose end has changed."""
    tender = {"id": process_id, "tenderPeriod": period(opens_at, closes_at)}
    number = derived_id("release", ocid_of(process_id), "end", date(closes_at))
    return _numbered(process_id, number, at, ["tenderUpdate"], Parties({}), {"tender": tender})


def tender_closed(event: AuctionClosed, bids: Sequence[BidDisclosed], at: datetime, known: Known) -> Json:
    """The release with the bids, and whether there is a winner. The award comes in a later release."""
    parties = Parties(known)
    status = TENDER_STATUS[event.outcome]
    ranked = sorted(bids, key=lambda bid: (bid.rank or 0, bid.participant or 0))
    tender = {
        "id": event.pool_id or event.auction_id,
        "title": event.title,
        "status": status,
        "numberOfTenderers": event.participants,
        "tenderPeriod": period(event.opened_at, event.closed_at),
        "lots": [{"id": LOT, "status": status}],
    }
    sections = {"tender": tender, "bids": _bids(event, ranked, parties)}
    return release_of(event.pool_id or event.auction_id, event, at, ["tenderUpdate"], parties, sections)


def _bids(event: AuctionClosed, ranked: Sequence[BidDisclosed], parties: Parties) -> Json:
    statistics: list[Json] = [
        {"id": "bids", "measure": "bids", "value": event.bids, "relatedLot": LOT},
        {"id": "bidders", "measure": "bidders", "value": event.participants, "relatedLot": LOT},
    ]
    if event.amount is not None:
        lowest = {"measure": "lowestValidBidValue", "value": event.amount, "currency": event.currency}
        statistics.append({"id": "lowest", **lowest, "relatedLot": LOT})
    process_id = event.pool_id or event.auction_id
    details = [bid_of(bid, process_id, event.winner_id, event.currency, parties) for bid in ranked]
    return {"statistics": statistics, "details": details}


def bid_of(bid: BidDisclosed, process_id: str, winner_id: str | None, currency: str, parties: Parties) -> Json:
    """The bidder's last bid. Except for the winner's, it contains nothing that identifies the bidder, not even our id
    of the bid."""
    number = bid.participant or bid.rank or 0
    if bid.supplier_id == winner_id:
        tenderer = parties.refer(bid.supplier_id, "", "tenderer")
    else:
        tenderer = parties.refer(f"{process_id}-participant-{number}", f"participant {number}", "tenderer")
    return filled(
        {
            "id": f"participant-{number}",
            "date": date(bid.bid_at) if bid.bid_at else None,
            "status": bid.status,
            "tenderers": [tenderer],
            "value": value(bid.amount, bid.currency or currency),
            "hasRank": True if bid.rank else None,
            "rank": bid.rank,
            "relatedLots": [LOT],
        }
    )


def award_made(event: AwardMade, at: datetime, known: Known) -> Json:
    parties = Parties(known)
    in_pool, purchased = event.origin == "pool", event.origin == "purchase"
    buyer = parties.refer(event.buyer_id, event.buyer_name, "buyer")
    names = zip(event.supplier_ids, event.supplier_names, strict=True)
    lot = event.award_id if in_pool else None if purchased else LOT
    worth = value(event.amount, event.currency)
    award = filled(
        {
            "id": event.award_id,
            "title": event.title,
            "status": "cancelled" if event.cancelled else "active",
            "date": date(event.awarded_at),
            "value": worth,
            "suppliers": [parties.refer(supplier_id, name, "supplier") for supplier_id, name in names],
            "items": items(event.lines, event.currency, lot),
            "relatedLots": [lot] if lot else None,
        }
    )
    sections: Json = {"awards": [award]}
    tags = ["awardCancellation" if event.cancelled else "award"]
    if in_pool:
        part = {"id": lot, "title": f"For {event.buyer_name}", "buyer": buyer, "value": worth, "status": "complete"}
        sections["tender"] = {"id": event.process_id, "lots": [filled(part)]}
    elif purchased:
        method, details = METHODS["purchase"]
        sections["buyer"] = buyer
        sections["tender"] = filled(
            {
                "id": event.process_id,
                "title": event.title,
                "status": "complete",
                "procuringEntity": buyer,
                "procurementMethod": method,
                "procurementMethodDetails": details,
                "items": items(event.lines, event.currency),
                "value": worth,
                **delivery(event.place),
            }
        )
        tags = ["tender", *tags]
    return release_of(event.process_id, event, at, tags, parties, sections)


def contract_drafted(event: ContractDrafted, at: datetime, known: Known) -> Json:
    contract = _contract(event, "pending", event.award_id)
    return release_of(event.process_id, event, at, ["contract"], _sides(event, known), {"contracts": [contract]})


def contract_concluded(event: ContractConcluded, at: datetime, known: Known, history: Sequence[Json]) -> Json:
    drafted = known_contract(event.contract_id, history)
    award_id = event.award_id or (drafted["awardID"] if drafted else event.contract_id)
    contract = {**_contract(event, "active", award_id), "dateSigned": date(event.signed_at)}
    tags = ["contractUpdate" if drafted else "contract"]
    return release_of(event.process_id, event, at, tags, _sides(event, known), {"contracts": [contract]})


def contract_ended(event: ContractEnded, at: datetime, history: Sequence[Json]) -> Json | None:
    """The release about the end of a contract. In OCDS a contract is cancelled before its signature and terminated
    after it; if it was never signed, the award ends too. None if this market published no such contract."""
    contract = known_contract(event.contract_id, history)
    if contract is None:
        return None
    signed = "dateSigned" in contract
    ended = {"id": contract["id"], "awardID": contract["awardID"], "status": "terminated" if signed else "cancelled"}
    sections: Json = {"contracts": [{**ended, "description": f"{event.reason} by the {event.by}"}]}
    if not signed:
        sections["awards"] = [{"id": contract["awardID"], "status": "cancelled"}]
    tags = ["contractTermination"] if signed else ["awardCancellation", "contractUpdate"]
    return release_of(event.process_id, event, at, tags, Parties({}), sections)


def _contract(event: ContractDrafted | ContractConcluded, status: str, award_id: str) -> Json:
    return filled(
        {
            "id": event.contract_id,
            "awardID": award_id,
            "title": event.title,
            "status": status,
            "value": value(event.amount, event.currency),
            "items": items(event.lines, event.currency),
        }
    )


def _sides(event: ContractDrafted | ContractConcluded, known: Known) -> Parties:
    parties = Parties(known)
    parties.refer(event.buyer_id, event.buyer_name, "buyer")
    parties.refer(event.supplier_id, event.supplier_name, "supplier")
    return parties


def known_contract(contract_id: str, history: Sequence[Json]) -> Json | None:
    """The contract in its state after the earlier releases."""
    found: Json = {}
    for release in history:
        for contract in release.get("contracts", ()):
            if contract["id"] == contract_id:
                found |= contract
    return found or None


def release_of(process_id: str, event: Event, at: datetime, tags: list[str], parties: Parties, sections: Json) -> Json:
    return _numbered(process_id, number_of(process_id, event), at, tags, parties, sections)


def number_of(process_id: str, event: Event) -> str:
    """The id of the release of this event."""
    content = hashlib.sha256(msgspec.json.encode(event)).hexdigest()
    return derived_id("release", ocid_of(process_id), event.TYPE, content)


def _numbered(process_id: str, number: str, at: datetime, tags: list[str], parties: Parties, sections: Json) -> Json:
    named = {name: part for name in ("buyer", "tender", "bids", "awards", "contracts") if (part := sections.get(name))}
    return {
        "ocid": ocid_of(process_id),
        "id": number,
        "date": date(at),
        "tag": tags,
        "initiationType": "tender",
        **filled({"parties": list(parties)}),
        **named,
    }
