"""An organisation's public record."""

from datetime import datetime
from decimal import Decimal
from typing import cast

import msgspec

from catalogue.actors import Party
from catalogue.roles import SEES_ALL
from infra.denied import Missing
from infra.listing import COUNTED
from infra.service import Resources
from infra.texts import clean
from infra.tokens import Principal
from services.conduct.domain.performance import KINDS as PERFORMED
from services.conduct.domain.performance import PerformedKind
from services.conduct.domain.record import KINDS, ConductFact, RecordedKind
from services.conduct.store import performed as performance
from services.conduct.store import record, replicas, sanctions
from services.conduct.store.replicas import Mention

PLACES = {"auction": "/auctions", "pool": "/pools", "quote": "/quotes"}
"""The address under which everybody can read about the process that a contract came from. Before a purchase is signed,
only its parties can read about it."""


class Mentioned(msgspec.Struct, kw_only=True):
    """A contract in the record. ``link`` leads to the contract if the reader may see it, otherwise to the process from
    which it came; it is "" if there is neither."""

    contract_id: str
    title: str
    partner_id: str
    partner_name: str
    currency: str
    amount: Decimal
    at: datetime
    link: str


class Suspended(msgspec.Struct, kw_only=True):
    """``level`` 1 is the first suspension. ``state`` is in-force, past or lifted. ``appeal`` is none, waiting, upheld
    or lifted."""

    sanction_id: str
    side: Party
    level: int
    since: datetime
    until: datetime
    state: str
    appeal: str
    contracts: list[Mentioned]


class PartyRecord(msgspec.Struct, kw_only=True):
    """``counts`` and ``contracts`` are by kind: concluded, terminated, and evaded or refused. The latest contracts come
    first. ``performed`` counts how contracts were carried out: orders delivered on time or late, deliveries by their
    acceptance, answers and payments on time or late, disputes by their end. Counts stop at 1,000; ``more`` lists the
    kinds that have more."""

    side: Party
    counts: dict[RecordedKind, int]
    contracts: dict[RecordedKind, list[Mentioned]]
    performed: dict[PerformedKind, int]
    more: list[RecordedKind | PerformedKind]


class RecordView(msgspec.Struct, kw_only=True):
    """``sides`` are the sides on which the organisation acts. ``sanctions`` are its latest suspensions."""

    organisation_id: str
    name: str
    sides: list[PartyRecord]
    sanctions: list[Suspended]


def mentioned(found: Mention, party: Party, at: datetime, reader: Principal | None) -> Mentioned:
    """Return the contract as the record of ``party`` shows it."""
    insider = reader is not None and (
        reader.organisation_id in (found.buyer_id, found.supplier_id) or reader.may(*SEES_ALL)
    )
    place = PLACES.get(found.origin)
    link = f"{place}/{found.process_id}" if place else ""
    if insider or found.state == "concluded":
        link = f"/contracts/{found.contract_id}"
    sells = party == "supplier"
    return Mentioned(
        contract_id=found.contract_id,
        title=found.title,
        partner_id=found.buyer_id if sells else found.supplier_id,
        partner_name=found.buyer_name if sells else found.supplier_name,
        currency=found.currency,
        amount=found.amount,
        at=at,
        link=link,
    )


async def record_of(
    resources: Resources, organisation_id: str, reader: Principal | None, *, shown: int = 50
) -> RecordView:
    """Return the record with at most ``shown`` contracts per kind and ``shown`` suspensions, the latest first. The
    counts include all of them. Raise Missing."""
    organisation_id, now = clean(organisation_id), resources.clock()
    async with resources.database.pool.acquire() as db:
        organisation = await replicas.organisations.get(db, organisation_id)
        if organisation is None:
            raise Missing("organisation", organisation_id)
        counts = await record.counts(db, organisation_id)
        latest: dict[tuple[Party, RecordedKind], list[ConductFact]] = {}
        for fact in await record.latest(db, organisation_id, shown):
            latest.setdefault((fact.party, fact.kind), []).append(fact)
        spoken = (await sanctions.of_organisation(db, organisation_id, limit=shown)).rows
        wanted = {fact.contract_id for each in latest.values() for fact in each}
        wanted.update(contract_id for each in spoken for contract_id in each.sanctioned.contract_ids)
        known = await replicas.mentions(db, wanted)
        performed = await performance.counts(db, organisation_id)
    parties = [
        party for party in KINDS if party in organisation.roles or any(counts[party, kind] for kind in KINDS[party])
    ]
    return RecordView(
        organisation_id=organisation_id,
        name=organisation.name,
        sides=[
            PartyRecord(
                side=party,
                counts={kind: min(counts[party, kind], COUNTED) for kind in KINDS[party]},
                contracts={
                    kind: [
                        mentioned(known[fact.contract_id], party, fact.at, reader)
                        for fact in latest.get((party, kind), [])
                        if fact.contract_id in known
                    ]
                    for kind in KINDS[party]
                },
                performed={kind: min(performed[party, kind], COUNTED) for kind in PERFORMED[party]},
                more=[
                    kind
                    for counted in (counts, performed)
                    for (of, kind), n in counted.items()
                    if of == party and n > COUNTED
                ],
            )
            for party in parties
        ],
        sanctions=[
            Suspended(
                sanction_id=told.sanction_id,
                side=cast(Party, told.side),
                level=told.level,
                since=told.since,
                until=told.until,
                state=each.state(now),
                appeal=each.decided.decision if each.decided else "waiting" if each.appealed else "none",
                contracts=[
                    mentioned(known[contract_id], cast(Party, told.side), known[contract_id].over_at, reader)
                    for contract_id in told.contract_ids
                    if contract_id in known
                ],
            )
            for each in spoken
            for told in (each.sanctioned,)
        ],
    )
