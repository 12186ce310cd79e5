"""Imports files: reads them, stores the originals, and publishes what is new as events.

The unit that is counted is a release or a row. Its digest is stored, so that the same one is "unchanged" when it is
read again and causes no events. A new release of a known process is merged with all its earlier releases.
"""

import asyncio
import codecs
import gzip
import hashlib
import zlib
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from itertools import islice
from pathlib import Path

import msgspec

from infra.causality import caused_by
from infra.database import Database, Transaction
from infra.ids import new_id
from services.transparency import store
from services.transparency.ocds.candidates import (
    Candidate,
    Original,
    Reading,
    facts_of,
    packed,
    region_code,
    unless_too_large,
)
from services.transparency.ocds.mapping import events_of
from services.transparency.ocds.process import OcdsOrganisation
from services.transparency.ocds.rows import RowReader
from services.transparency.ocds.sheet import NoTable
from services.transparency.ocds.tables import (
    ColumnMapping,
    MappingError,
    RowRefused,
    choose_mapping,
    read_rows,
)
from services.transparency.ocds.tolerance import NotUnderstood
from services.transparency.store import NAME
from services.transparency.telling import tell

BATCH = 500
SLICE = 20
"""Records per batch, which is written in one transaction."""
MOST_NAMED = 50_000
"""The most organisations that are remembered: rows name the same ones many times, and each is read and reported only
once."""
_CHUNK = 1 << 20


class FileUnusable(Exception):
    """A file cannot be imported; nothing of it was imported. ``kind`` is the reason in a few words, without the file's
    name."""

    code = "file-unusable"

    def __init__(self, message: str, kind: str = "unusable") -> None:
        super().__init__(message)
        self.kind = kind


class MappingUnusable(FileUnusable):
    """The file of a mapping cannot be used, so nothing was read with it."""

    code = "mapping-unusable"


class MappingOfOtherKind(FileUnusable):
    """The mapping is for another command."""

    code = "mapping-of-other-kind"


class RefusalsOverInput(FileUnusable):
    """The file for what is refused would replace a file that is to be read."""

    code = "refusals-over-input"


class Counts(msgspec.Struct, frozen=True):
    imported: int = 0
    unchanged: int = 0
    refused: int = 0

    @property
    def records(self) -> int:
        return self.imported + self.unchanged + self.refused

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.imported + other.imported, self.unchanged + other.unchanged, self.refused + other.refused)


def look_into(path: Path) -> int:
    """Read the file to its end, to make sure that it can be read before the first record is imported. Return its
    number of lines.

    Raise FileUnusable, which names file and reason.
    """
    if path.is_dir():
        raise FileUnusable(f"{path} is a directory: name the files in it", "a directory")
    lines, empty = 0, True
    try:
        with path.open("rb") as plain:
            zipped = plain.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                lines += chunk.count(b"\n")
                empty = empty and not chunk.removeprefix(codecs.BOM_UTF8).strip()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        damage = f"the compressed file is damaged ({error}); nothing of it was imported"
        raise FileUnusable(f"{path}: {damage}", "damaged compression") from error
    except OSError as error:
        raise FileUnusable(f"{path}: {error.strerror or error}", "not readable") from error
    if empty:
        raise FileUnusable(f"{path}: the file is empty", "empty")
    return lines


def read_table(path: Path, mapping: ColumnMapping, ledger: NotUnderstood) -> Reading:
    reader = RowReader(mapping, ledger, region_code)
    named: set[OcdsOrganisation] = set()
    seen: Counter[str] = Counter()
    for row in read_rows(path, mapping, seen):
        if isinstance(row, RowRefused):
            _tell_refused(row, ledger)
            yield None
            continue
        process = reader.read(row)
        if isinstance(process, RowRefused):
            _tell_refused(process, ledger)
            del seen[row.digest]  # the same row is refused again later
            yield None
            continue
        original = Original(
            digest=hashlib.sha256(f"{mapping.namespace}/{row.digest}/{row.occurrence}".encode()).hexdigest(),
            ocid=process.ocid,
            source=mapping.namespace,
            where=row.where,
            publisher=mapping.publisher,
            licence=mapping.licence,
            body=packed(row.fields),
        )
        new = tuple(one for one in process.organisations if one not in named)
        events = events_of(msgspec.structs.replace(process, organisations=new), ledger)
        candidate = unless_too_large(Candidate(original, *facts_of(events, once=True)), ledger)
        if candidate is not None:
            if len(named) > MOST_NAMED:
                named.clear()
            named.update(new)
        yield candidate


def _tell_refused(refused: RowRefused, ledger: NotUnderstood) -> None:
    rule, _, value = refused.reason.partition(": ")
    ledger.where = refused.where
    ledger.add(f"refused: {refused.column or 'row'}: {rule}", value or None)


def mapping_for(path: Path, candidates: Sequence[ColumnMapping]) -> ColumnMapping:
    """The mapping that fits the file. Raise FileUnusable if none does."""
    try:
        return choose_mapping(path, candidates)
    except MappingError as error:
        raise FileUnusable(str(error), "columns that fit no mapping") from error
    except NoTable as error:
        raise FileUnusable(str(error), "no CSV") from error
    except LookupError as error:
        raise MappingUnusable(f"{path}: the mapping names an encoding that is not known: {error}") from error


async def take_in(database: Database, reading: Reading, progress: Callable[[Counts], None]) -> Counts:
    """Import everything that is read, one batch per transaction: if it is stopped and run again, it continues where it
    was."""
    total, run = Counts(), new_id()
    with caused_by(run, run):
        async with aclosing(_read_ahead(reading)) as batches:
            async for batch in batches:
                candidates = [one for one in batch if one is not None]
                imported = await _save(database, candidates)
                total += Counts(imported, len(candidates) - imported, len(batch) - len(candidates))
                progress(total)
    return total


async def _read_ahead(reading: Reading) -> AsyncGenerator[list[Candidate | None]]:
    """Read the next batch while the database handles the current one."""
    ahead = asyncio.create_task(_read(reading))
    try:
        while batch := await ahead:
            ahead = asyncio.create_task(_read(reading))
            yield batch
    finally:
        ahead.cancel()


async def _read(reading: Reading) -> list[Candidate | None]:
    """The next batch; empty at the end."""
    batch: list[Candidate | None] = []
    while len(batch) < BATCH and (portion := list(islice(reading, min(SLICE, BATCH - len(batch))))):
        batch += portion
        await asyncio.sleep(0)
    return batch


async def _save(database: Database, candidates: Sequence[Candidate]) -> int:
    """Store the candidates. Return how many were new."""
    async with database.transaction(NAME) as tx:
        await store.lock_imports(tx)
        by_digest = {one.original.digest: one for one in candidates}
        known = await store.known_originals(tx, list(by_digest))
        fresh = await _unknown_to_former_releases(tx, [one for digest, one in by_digest.items() if digest not in known])
        if not fresh:
            return 0
        await tell(tx, fresh)
        await store.keep_originals(tx, [one.original for one in fresh])
        return len(fresh)


async def _unknown_to_former_releases(tx: Transaction, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that former releases did not store either. A release can have its former digest only if its
    process is known."""
    ocids = {one.original.ocid for one in candidates if one.merges}
    processes = await store.known_processes(tx, ocids) if ocids else set()
    former = {one.original.former_digest: one for one in candidates if one.original.ocid in processes and one.merges}
    known = await store.known_originals(tx, list(former)) if former else set()
    kept = {former[digest].original.digest for digest in known}
    return [one for one in candidates if one.original.digest not in kept]
