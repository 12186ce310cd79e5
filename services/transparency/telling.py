"""Publishes imported data to the market: each process and organisation once, and later only what is new, in bundles by
bucket.

For each tender, bid, award and contract a digest of the published state is stored, so that nothing is published twice.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from events.accounts import OrganisationRegistered
from events.codec import Event
from events.transparency import TenderImported
from events.values import Place
from infra.database import Transaction
from infra.ids import derive_id
from infra.outgoing import Outgoing, outgoing, write_outbox
from services.transparency import store
from services.transparency.bundling import bundles_of_organisations, bundles_of_processes
from services.transparency.ocds.candidates import LARGEST, Candidate, Original, ProcessFact, facts_of, region_code
from services.transparency.ocds.mapping import events_of
from services.transparency.ocds.releases import read_process
from services.transparency.ocds.tolerance import NotUnderstood
from services.transparency.store import NAME

log = logging.getLogger(__name__)


async def tell(tx: Transaction, fresh: Sequence[Candidate]) -> None:
    """Publish what is new in these records, which were not stored before. The id of an event is derived from its
    content, so a repeat is the same event."""
    organisations, facts = await _of_rows(tx, fresh)
    for named, said in await _of_releases(tx, fresh):
        organisations += named
        facts += said
    bundles = [*bundles_of_organisations(await _keep_organisations(tx, organisations)), *bundles_of_processes(facts)]
    if bundles:
        await write_outbox(await tx.raw(), NAME, [_row(tx, kind, bucket, data) for kind, bucket, data in bundles])


def _row(tx: Transaction, kind: type[Event], bucket: str, data: bytes) -> Outgoing:
    event_id = derive_id("import", kind.TYPE, hashlib.sha256(data).hexdigest())
    return outgoing(NAME, kind, bucket, data, at=tx.now, cause=tx.cause, event_id=event_id)


Said = tuple[list[OrganisationRegistered], list[ProcessFact]]


async def _of_rows(tx: Transaction, fresh: Sequence[Candidate]) -> Said:
    """The facts of new rows. Each is a new award or contract. If a process has several rows, only the first gives the
    tender."""
    rows = [one for one in fresh if not one.merges]
    told = await store.known_processes(tx, {one.original.ocid for one in rows}) if rows else set()
    organisations: list[OrganisationRegistered] = []
    facts: list[ProcessFact] = []
    for one in rows:
        again = one.original.ocid in told
        told.add(one.original.ocid)
        organisations += one.organisations
        facts += [fact for fact in one.facts if not (again and fact.kind is TenderImported)]
    return organisations, facts


async def _of_releases(tx: Transaction, fresh: Sequence[Candidate]) -> list[Said]:
    """The facts of each process from its new and stored releases, without those that were published before."""
    releases: dict[str, list[Candidate]] = {}
    for one in fresh:
        if one.merges:
            releases.setdefault(one.original.ocid, []).append(one)
    if not releases:
        return []
    earlier = await store.originals_of(tx, list(releases))
    said: list[Said] = []
    for ocid, group in releases.items():
        if ocid not in earlier and len(group) == 1:
            said.append((list(group[0].organisations), list(group[0].facts)))
        else:
            said.append(_merged([*earlier.get(ocid, ()), *(one.original for one in group)]))
    return await _keep_changed(tx, said)


def _merged(originals: Sequence[Original]) -> Said:
    """The merged content of the releases of one process. What is not understood was already counted for each
    release."""
    unheard = NotUnderstood()
    process = read_process([original.release() for original in originals], unheard, region_code)
    organisations, facts = facts_of(events_of(process, unheard))
    carried = [fact for fact in facts if len(fact.data) <= LARGEST]
    if len(carried) < len(facts):
        log.warning(
            "the releases of %s together do not fit into an event: a part of them is not published", process.ocid
        )
    return organisations, carried


async def _keep_changed(tx: Transaction, said: Sequence[Said]) -> list[Said]:
    """Store the digests. Return all organisations, and the facts that were not published in this form before."""
    told = await store.told(tx, [fact.thing for _, facts in said for fact in facts])
    changed: dict[str, bytes] = {}
    news = []
    for organisations, facts in said:
        fresh = []
        for fact in facts:
            if (changed.get(fact.thing) or told.get(fact.thing)) != fact.digest:
                changed[fact.thing] = fact.digest
                fresh.append(fact)
        news.append((organisations, fresh))
    if changed:
        await store.keep_told(tx, changed)
    return news


async def _keep_organisations(
    tx: Transaction, events: Sequence[OrganisationRegistered]
) -> list[OrganisationRegistered]:
    """Store organisations. Return each organisation with new data once, with all its known data."""
    known = await store.imported_organisations(tx, list({event.organisation_id for event in events}))
    changed: dict[str, OrganisationRegistered] = {}
    for event in _without_repeats(events):
        old = changed.get(event.organisation_id) or known.get(event.organisation_id)
        both = _together(old, event) if old else event
        if both != old:
            changed[event.organisation_id] = both
    if changed:
        await store.keep_imported_organisations(tx, list(changed.values()))
    return list(changed.values())


def _without_repeats(events: Iterable[OrganisationRegistered]) -> Iterator[OrganisationRegistered]:
    """Leave out repeats: most rows have the same data about an organisation as the row before, at another place of the
    file."""
    seen: set[tuple[object, ...]] = set()
    for event in events:
        what = (event.organisation_id, event.roles, event.identifier_scheme, event.identifier, event.place)
        if what not in seen:
            seen.add(what)
            yield event


def _together(old: OrganisationRegistered, new: OrganisationRegistered) -> OrganisationRegistered:
    """The union of the roles, and the more complete data; otherwise the first data stay."""
    return msgspec.structs.replace(
        old,
        roles=tuple(sorted({*old.roles, *new.roles})),
        identifier_scheme=old.identifier_scheme or new.identifier_scheme,
        identifier=old.identifier or new.identifier,
        place=new.place if _detail(new.place) > _detail(old.place) else old.place,
    )


def _detail(place: Place) -> int:
    return sum(part is not None for part in msgspec.structs.astuple(place))
