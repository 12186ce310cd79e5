"""Files in: read, keep the originals, and tell the market by events what is new.

The unit that is counted is a release, or a row. Its digest is remembered with it, so that the same one read again is "unchanged" and
tells nothing. One that is new of a process that is known already is merged with all that was published of it before.
"""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

import msgspec

from catalogue import places
from events.accounts import OrganisationRegistered
from events.auctions import BidDisclosed
from events.codec import Event
from events.contracts import AwardMade, ContractConcluded, ContractEnded
from events.transparency import TenderImported
from events.values import Place
from infra.causality import caused_by
from infra.database import Database, Transaction, outbox_row, write_outbox
from infra.ids import derive_id, new_id
from services.transparency import store
from services.transparency.documents import Unreadable, read_documents
from services.transparency.mapping import events_of
from services.transparency.packages import Release, unpack
from services.transparency.releases import publisher_of, read_process
from services.transparency.rows import read_row
from services.transparency.store import NAME, Original
from services.transparency.tables import ColumnMapping, MappingError, RowRefused, choose_mapping, read_rows
from services.transparency.tolerance import NotUnderstood

BATCH = 500
_CHUNK = 1 << 20
region_code = lru_cache(maxsize=50_000)(places.region_code)


class FileUnusable(Exception):
    """A file that cannot be imported at all; nothing of it was. ``kind`` says why in few words, without the file's name."""

    code = "file-unusable"

    def __init__(self, message: str, kind: str = "unusable") -> None:
        super().__init__(message)
        self.kind = kind


class Counts(msgspec.Struct, frozen=True):
    imported: int = 0
    unchanged: int = 0
    refused: int = 0

    @property
    def records(self) -> int:
        return self.imported + self.unchanged + self.refused

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.imported + other.imported, self.unchanged + other.unchanged, self.refused + other.refused)


class Candidate(msgspec.Struct, frozen=True):
    """A record that was read: what to keep, and what it says alone. ``release`` is None for a row, which is never merged."""

    original: Original
    events: Sequence[Event]
    release: Release | None = None


Reading = Iterator[Candidate | None]
"""The records of a file; None is one that was refused, with the reason in the ledger."""


def look_into(path: Path) -> int:
    """Read the file to its end, to know before the first record that it can be; returns how many lines it has.

    Raises FileUnusable, naming file and reason.
    """
    if path.is_dir():
        raise FileUnusable(f"{path} is a directory: name the files in it", "a directory")
    lines = 0
    try:
        with path.open("rb") as plain:
            zipped = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                lines += chunk.count(b"\n")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        damage = f"the compressed file is damaged ({error}); nothing of it was imported"
        raise FileUnusable(f"{path}: {damage}", "damaged compression") from error
    except OSError as error:
        raise FileUnusable(f"{path}: {error.strerror or error}", "not readable") from error
    return lines


def read_ocds(path: Path, ledger: NotUnderstood) -> Reading:
    for document in read_documents(path, ledger):
        for found in [document] if isinstance(document, Unreadable) else unpack(document, ledger):
            if isinstance(found, Unreadable):
                ledger.add(f"refused: {found.kind}", f"{found.where}: {found.reason}")
                yield None
                continue
            original = Original(
                digest=found.digest,
                ocid=found.ocid,
                source=publisher_of(found.ocid),
                where=found.where,
                publisher=found.publisher,
                licence=found.licence,
                country=found.country,
                released_at=found.released_at,
                body=found.body,
            )
            yield Candidate(original, events_of(read_process([found], ledger, region_code), ledger), found)


def read_table(path: Path, mapping: ColumnMapping, ledger: NotUnderstood) -> Reading:
    for row in read_rows(path, mapping):
        process = row if isinstance(row, RowRefused) else read_row(row, mapping, ledger, region_code)
        if isinstance(row, RowRefused) or isinstance(process, RowRefused):
            refused = process if isinstance(process, RowRefused) else row
            assert isinstance(refused, RowRefused)
            kind = refused.reason.partition(":")[0]
            ledger.add(f"refused: {refused.column or 'row'}: {kind}", f"{refused.where}: {refused.reason}")
            yield None
            continue
        original = Original(
            digest=hashlib.sha256(f"{mapping.namespace}/{row.digest}/{row.occurrence}".encode()).hexdigest(),
            ocid=process.ocid,
            source=mapping.namespace,
            where=row.where,
            publisher=mapping.publisher,
            licence=mapping.licence,
            body=row.fields,
        )
        yield Candidate(original, events_of(process, ledger))


def mapping_for(path: Path, candidates: Sequence[ColumnMapping]) -> ColumnMapping:
    """Raises FileUnusable where none fits."""
    try:
        return choose_mapping(path, candidates)
    except MappingError as error:
        raise FileUnusable(str(error), "columns that fit no mapping") from error
    except LookupError as error:
        raise FileUnusable(f"{path}: the mapping names an encoding that is not known: {error}") from error


async def take_in(database: Database, reading: Reading, progress: Callable[[Counts], None]) -> Counts:
    """Import all that is read, a batch in a transaction: stopped anywhere and run again, it goes on where it was."""
    total, run = Counts(), new_id()
    with caused_by(run, run):
        while batch := list(islice(reading, BATCH)):
            candidates = [one for one in batch if one is not None]
            imported = await _save(database, candidates)
            total += Counts(imported, len(candidates) - imported, len(batch) - len(candidates))
            progress(total)
    return total


async def _save(database: Database, candidates: Sequence[Candidate]) -> int:
    """How many of them were new."""
    async with database.transaction(NAME) as tx:
        await store.one_import_at_a_time(tx)
        by_digest = {one.original.digest: one for one in candidates}
        known = await store.known_originals(tx, list(by_digest))
        fresh = [one for digest, one in by_digest.items() if digest not in known]
        if not fresh:
            return 0
        events = await _events(tx, fresh)
        await store.keep_originals(tx, [one.original for one in fresh])
        await _tell(tx, events)
        return len(fresh)


async def _events(tx: Transaction, fresh: Sequence[Candidate]) -> list[Event]:
    """What the new records say, those of a process that has others together with them."""
    processes: dict[str, list[Candidate]] = {}
    events: list[Event] = []
    for one in fresh:
        if one.release is None:
            events += one.events
        else:
            processes.setdefault(one.release.ocid, []).append(one)
    earlier = await store.releases_of(tx, list(processes)) if processes else {}
    for ocid, group in processes.items():
        if ocid not in earlier and len(group) == 1:
            events += group[0].events
        else:
            # What is not understood was counted release by release: this ledger is not looked at.
            unheard = NotUnderstood()
            releases = [*earlier.get(ocid, ()), *(one.release for one in group if one.release)]
            events += events_of(read_process(releases, unheard, region_code), unheard)
    return events


async def _tell(tx: Transaction, events: Sequence[Event]) -> None:
    """Emit what differs from what was told before. An event's id is of its content: told twice, it is one event."""
    told = await store.told(tx, [thing for event in events if (thing := _thing(event))])
    changed: dict[str, bytes] = {}
    telling: list[Event] = await _organisations(tx, [one for one in events if isinstance(one, OrganisationRegistered)])
    for event in events:
        thing, digest = _thing(event), _digest(event)
        if thing and (changed.get(thing) or told.get(thing)) != digest:
            changed[thing] = digest
            telling.append(event)
    if changed:
        await store.keep_told(tx, changed)
    rows = []
    for event in telling:
        event_id = derive_id("import", event.TYPE, hashlib.sha256(msgspec.json.encode(event)).hexdigest())
        rows.append(outbox_row(NAME, event, at=tx.now, cause=tx.cause, event_id=event_id))
    if rows:
        await write_outbox(await tx.raw(), NAME, rows)


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


async def _organisations(tx: Transaction, events: Sequence[OrganisationRegistered]) -> list[Event]:
    """One event an organisation, with all that is known of it, where something of it is new."""
    known = await store.imported_organisations(tx, list({event.organisation_id for event in events}))
    changed: dict[str, OrganisationRegistered] = {}
    for event in events:
        old = changed.get(event.organisation_id) or known.get(event.organisation_id)
        both = _together(old, event) if old else event
        if both != old:
            changed[event.organisation_id] = both
    if changed:
        await store.keep_imported_organisations(tx, list(changed.values()))
    return list(changed.values())


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
