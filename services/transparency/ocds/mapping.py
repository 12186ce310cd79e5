"""Makes the events about an imported process: the same ones as for processes of this market.

Ids are derived from those of the source, and nothing depends on the time of the import, so the same process gives the
same events.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from events.accounts import OrganisationRegistered
from events.auctions import BidDisclosed
from events.codec import Event
from events.contracts import AwardMade, ContractConcluded, ContractEnded
from events.transparency import TenderImported
from services.transparency.ocds.fitting import fitting
from services.transparency.ocds.process import (
    OcdsAward,
    OcdsBid,
    OcdsContract,
    OcdsOrganisation,
    OcdsProcess,
    derived_id,
)
from services.transparency.ocds.tolerance import NotUnderstood

ORIGIN = "import"
_UNMADE = frozenset({"pending", "unsuccessful"})


def events_of(process: OcdsProcess, ledger: NotUnderstood) -> list[Event]:
    """Organisations first, then the tender, its bids, awards and contracts. An unknown buyer or supplier is "". If a
    required part of an event is missing, this is counted in the ledger and there is no event; the process keeps the
    data."""
    return list(fitting(_events(process, ledger), ledger))


def _events(process: OcdsProcess, ledger: NotUnderstood) -> list[Event]:
    ranked = [one for one in process.organisations if one.roles]
    return [
        *(_organisation(one, process) for one in ranked),
        _tender(process),
        *(event for bid in process.bids for event in _bid(bid, process)),
        *(event for award in process.awards for event in _award(award, process, ledger)),
        *(event for contract in process.contracts for event in _contract(contract, process, ledger)),
    ]


def _organisation(organisation: OcdsOrganisation, process: OcdsProcess) -> Event:
    return OrganisationRegistered(
        organisation_id=organisation.organisation_id,
        roles=organisation.roles,
        name=organisation.name,
        identifier_scheme=organisation.scheme,
        identifier=organisation.identifier,
        place=organisation.place,
        language=process.language or "en",
        source=process.source,
    )


def _tender(process: OcdsProcess) -> Event:
    return TenderImported(
        process_id=process.process_id,
        ocid=process.ocid,
        buyer_id=process.buyer.organisation_id if process.buyer else None,
        title=process.title,
        description=process.description,
        status=process.status,
        method=process.method,
        category=process.category,
        place=process.place,
        language=process.language,
        lines=process.lines,
        published_at=process.published_at or process.released_at,
        closes_at=process.closes_at,
        source=process.source,
    )


def _bid(bid: OcdsBid, process: OcdsProcess) -> Iterator[Event]:
    """One event for each bidder. In a joint bid only the first has the amount, so that it is not counted twice."""
    for number, supplier in enumerate(bid.suppliers):
        leads = number == 0
        yield BidDisclosed(
            auction_id=process.process_id,
            bid_id=bid.bid_id if leads else derived_id("bid member", bid.bid_id, supplier.organisation_id),
            supplier_id=supplier.organisation_id,
            amount=bid.amount if leads and bid.currency else None,
            currency=bid.currency,
            lines=bid.lines if leads and bid.currency else (),
            status=bid.status or "valid",
            bid_at=bid.bid_at,
            buyer_id=process.buyer.organisation_id if process.buyer else None,
            category=process.category,
            place=process.place,
            source=process.source,
        )


def _award(award: OcdsAward, process: OcdsProcess, ledger: NotUnderstood) -> Iterator[Event]:
    if award.status in _UNMADE:
        return
    signed = (one.signed_at for one in process.contracts if one.award_id == award.award_id)
    awarded_at = award.awarded_at or _first(signed) or process.released_at
    if not award.suppliers:
        ledger.add("awards: no supplier, published without one", award.local_id)
    if awarded_at is None:
        ledger.add("awards: no date", award.local_id)
    else:
        yield AwardMade(
            process_id=process.process_id,
            award_id=award.award_id,
            origin=ORIGIN,
            buyer_id=process.buyer.organisation_id if process.buyer else "",
            buyer_name=process.buyer.name if process.buyer else "",
            supplier_ids=tuple(one.organisation_id for one in award.suppliers),
            supplier_names=tuple(one.name for one in award.suppliers),
            title=award.title or process.title,
            category=process.category,
            method=process.method,
            place=process.place,
            currency=award.currency,
            amount=award.amount if award.currency else None,
            lines=award.lines if award.currency else (),
            awarded_at=awarded_at,
            cancelled=award.status == "cancelled",
            source=process.source,
        )


def _contract(contract: OcdsContract, process: OcdsProcess, ledger: NotUnderstood) -> Iterator[Event]:
    signed_at = contract.signed_at or process.released_at
    if contract.status == "pending":
        ledger.add("contracts: pending, not concluded yet", contract.local_id)
    elif signed_at is None:
        ledger.add("contracts: no date", contract.local_id)
    else:
        if not contract.suppliers:
            ledger.add("contracts: no supplier, published without one", contract.local_id)
        elif len(contract.suppliers) > 1:
            ledger.add("contracts: several suppliers, the first one was used", contract.local_id)
        supplier_id, supplier_name = _first_of(contract.suppliers)
        buyer_id = process.buyer.organisation_id if process.buyer else ""
        yield ContractConcluded(
            process_id=process.process_id,
            contract_id=contract.contract_id,
            award_id=contract.award_id,
            origin=ORIGIN,
            buyer_id=buyer_id,
            buyer_name=process.buyer.name if process.buyer else "",
            supplier_id=supplier_id,
            supplier_name=supplier_name,
            title=contract.title or process.title,
            category=process.category,
            method=process.method,
            place=process.place,
            currency=contract.currency,
            amount=contract.amount if contract.currency else None,
            lines=contract.lines if contract.currency else (),
            signed_at=signed_at,
            source=process.source,
        )
        if contract.status == "cancelled":
            yield ContractEnded(
                process_id=process.process_id,
                contract_id=contract.contract_id,
                supplier_id=supplier_id,
                buyer_id=buyer_id,
                reason="cancelled",
                by="buyer",
                evasion=False,
                explanation="cancelled in the source",
            )


def _first_of(organisations: Sequence[OcdsOrganisation]) -> tuple[str, str]:
    """(id, name); empty if the source names no supplier, because prices without a supplier are used too."""
    return (organisations[0].organisation_id, organisations[0].name) if organisations else ("", "")


def _first(instants: Iterator[datetime | None]) -> datetime | None:
    known: Sequence[datetime] = [instant for instant in instants if instant]
    return min(known, default=None)
