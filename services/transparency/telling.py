"""What imports brought is told to the market: each process and organisation once, and again what is new of it.

A digest of what was told is kept for each tender, bid, award and contract, so that nothing is told twice.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import msgspec

from catalogue import places
from events.accounts import OrganisationRegistered
from events.auctions import BidDisclosed
from events.codec import Event
from events.contracts import AwardMade, ContractConcluded, ContractEnded
from events.imports import OrganisationImported, ProcessImported
from events.transparency import TenderImported
from events.values import Place
from infra.database import Transaction, outbox_row, write_outbox
from infra.ids import derive_id
from services.transparency import store
from services.transparency.mapping import events_of
from services.transparency.packages import Release
from services.transparency.releases import read_process
from services.transparency.store import NAME, Original
from services.transparency.tolerance import NotUnderstood

log = logging.getLogger(__name__)
LARGEST = 400_000
"""Bytes of the facts in one event, which stays below what an event may have."""
region_code = lru_cache(maxsize=50_000)(places.region_code)


class Candidate(msgspec.Struct, frozen=True):
    """A record that was read: what to keep, and what it says alone. ``release`` is None for a row, which is never merged."""

    original: Original
    events: Sequence[Event]
    release: Release | None = None


async def tell(tx: Transaction, fresh: Sequence[Candidate]) -> None:
    """Publish what these records, which were not kept before, say that is new. An event's id is of its content: told twice, it is
    one event."""
    said = [*await _of_rows(tx, fresh), *await _of_releases(tx, fresh)]
    known = [event for event in said if isinstance(event, OrganisationRegistered)]
    facts = [event for event in said if not isinstance(event, OrganisationRegistered)]
    rows = []
    for event in (*await _organisations(tx, known), *_processes(facts)):
        event_id = derive_id("import", event.TYPE, hashlib.sha256(msgspec.json.encode(event)).hexdigest())
        rows.append(outbox_row(NAME, event, at=tx.now, cause=tx.cause, event_id=event_id))
    if rows:
        await write_outbox(await tx.raw(), NAME, rows)


async def _of_rows(tx: Transaction, fresh: Sequence[Candidate]) -> list[Event]:
    """A new row is a new award or contract. Of a process that comes in several, the first row tells of the tender."""
    rows = [one for one in fresh if one.release is None]
    told = await store.known_processes(tx, {one.original.ocid for one in rows}) if rows else set()
    events: list[Event] = []
    for one in rows:
        again = one.original.ocid in told
        told.add(one.original.ocid)
        events += [event for event in one.events if not (again and isinstance(event, TenderImported))]
    return events


async def _of_releases(tx: Transaction, fresh: Sequence[Candidate]) -> list[Event]:
    """What the releases of each process say, together with those that are known of it, and was not told before."""
    releases: dict[str, list[Candidate]] = {}
    for one in fresh:
        if one.release is not None:
            releases.setdefault(one.release.ocid, []).append(one)
    if not releases:
        return []
    events: list[Event] = []
    earlier = await store.releases_of(tx, list(releases))
    for ocid, group in releases.items():
        if ocid not in earlier and len(group) == 1:
            events += group[0].events
        else:
            # What is not understood was counted release by release: this ledger is not looked at.
            unheard = NotUnderstood()
            known = [*earlier.get(ocid, ()), *(one.release for one in group if one.release)]
            merged = events_of(read_process(known, unheard, region_code), unheard)
            carried = [event for event in merged if _bytes(event) <= LARGEST]
            if len(carried) < len(merged):
                log.warning("the releases of %s say together more than an event carries: a part is not told", ocid)
            events += carried
    return await _changed(tx, events)


async def _changed(tx: Transaction, events: Sequence[Event]) -> list[Event]:
    """Those that were not told before as they are now, and all organisations."""
    told = await store.told(tx, [thing for event in events if (thing := _thing(event))])
    changed: dict[str, bytes] = {}
    news = []
    for event in events:
        if not (thing := _thing(event)):
            news.append(event)
        elif (changed.get(thing) or told.get(thing)) != (digest := _digest(event)):
            changed[thing] = digest
            news.append(event)
    if changed:
        await store.keep_told(tx, changed)
    return news


def _processes(news: Iterable[Event]) -> Iterator[ProcessImported]:
    """The facts of each process together, in as many events as their size needs."""
    by_process: dict[str, list[Event]] = {}
    for event in news:
        by_process.setdefault(event.subject, []).append(event)
    for process_id, facts in by_process.items():
        for some in _portions(facts):
            yield ProcessImported(
                process_id=process_id,
                tender=next((one for one in some if isinstance(one, TenderImported)), None),
                bids=tuple(one for one in some if isinstance(one, BidDisclosed)),
                awards=tuple(one for one in some if isinstance(one, AwardMade)),
                contracts=tuple(one for one in some if isinstance(one, ContractConcluded)),
                endings=tuple(one for one in some if isinstance(one, ContractEnded)),
            )


def _portions(facts: Iterable[Event]) -> Iterator[list[Event]]:
    portion: list[Event] = []
    size = 0
    for fact in facts:
        more = _bytes(fact)
        if portion and size + more > LARGEST:
            yield portion
            portion, size = [], 0
        portion.append(fact)
        size += more
    yield portion


def too_large(candidate: Candidate) -> bool:
    """Whether it says something that no event can carry."""
    return any(_bytes(event) > LARGEST for event in candidate.events)


def _bytes(event: Event) -> int:
    return len(msgspec.json.encode(event))


def _thing(event: Event) -> str:
    match event:
        case TenderImported():
            return f"tender/{event.process_id}"
        case BidDisclosed():
            return f"bid/{event.bid_id}"
        case AwardMade():
            return f"award/{event.award_id}"
        case ContractConcluded():
            return f"contract/{event.contract_id}"
        case ContractEnded():
            return f"end/{event.contract_id}"
    return ""


def _digest(event: Event) -> bytes:
    """Of what it says; where that was read is no news."""
    source = getattr(event, "source", None)
    said = (
        msgspec.structs.replace(event, source=msgspec.structs.replace(source, document="", published_at=None))
        if source
        else event
    )
    return hashlib.blake2b(msgspec.json.encode(said), digest_size=16).digest()


async def _organisations(tx: Transaction, events: Sequence[OrganisationRegistered]) -> list[OrganisationImported]:
    """One event an organisation, with all that is known of it, where something of it is new."""
    known = await store.imported_organisations(tx, list({event.organisation_id for event in events}))
    changed: dict[str, OrganisationRegistered] = {}
    for event in _without_repeats(events):
        old = changed.get(event.organisation_id) or known.get(event.organisation_id)
        both = _together(old, event) if old else event
        if both != old:
            changed[event.organisation_id] = both
    if changed:
        await store.keep_imported_organisations(tx, list(changed.values()))
    return [
        OrganisationImported(organisation_id=organisation_id, organisation=one)
        for organisation_id, one in changed.items()
    ]


def _without_repeats(events: Iterable[OrganisationRegistered]) -> Iterator[OrganisationRegistered]:
    """Most rows say of an organisation what the row before said, at another place of the file."""
    seen: set[tuple[object, ...]] = set()
    for event in events:
        what = (event.organisation_id, event.roles, event.identifier_scheme, event.identifier, event.place)
        if what not in seen:
            seen.add(what)
            yield event


def _together(old: OrganisationRegistered, new: OrganisationRegistered) -> OrganisationRegistered:
    """The roles of both, and the fuller particulars; otherwise what was said first stays."""
    return msgspec.structs.replace(
        old,
        roles=tuple(sorted({*old.roles, *new.roles})),
        identifier_scheme=old.identifier_scheme or new.identifier_scheme,
        identifier=old.identifier or new.identifier,
        place=new.place if _detail(new.place) > _detail(old.place) else old.place,
    )


def _detail(place: Place) -> int:
    return sum(part is not None for part in msgspec.structs.astuple(place))
