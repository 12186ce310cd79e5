"""Reads OCDS files into candidates piece by piece; long files in several processes.

The content of a piece does not depend on earlier pieces. So a file is divided here, and its pieces are read in several
processes, a portion at a time; the results have the order of the file. Memory is bounded by the portions in progress,
not by the file.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from pathlib import Path

from infra.beside import processes
from services.transparency.ocds.candidates import (
    Candidate,
    Original,
    Reading,
    facts_of,
    packed,
    region_code,
    unless_too_large,
)
from services.transparency.ocds.documents import FilePiece, UnreadablePiece, documents_of, read_pieces
from services.transparency.ocds.mapping import events_of
from services.transparency.ocds.packages import Release, unpack
from services.transparency.ocds.releases import publisher_of, read_process
from services.transparency.ocds.tolerance import NotUnderstood

PORTION = 256 * 1024
"""Bytes of a portion, which is read in one step; a larger piece is a portion by itself."""
FEW = 8
"""A file with fewer portions is read in this process, which is faster than starting another."""
AHEAD = 4
"""The most portions in progress for each process."""
PROCESSES = 4
"""The most processes: more would wait for the single process that stores and publishes."""

Portion = Sequence[FilePiece | UnreadablePiece]
Understood = tuple[list[Candidate | None], NotUnderstood]


def read_ocds(path: Path, ledger: NotUnderstood) -> Reading:
    """The candidates of a file, all read in this process."""
    yield from _in_order((understand(one, ledger.keeps) for one in _portions(read_pieces(path))), ledger)


class Readers:
    """Processes that read OCDS, from the first long file until the end of the block. ::

    with Readers() as readers:
        for candidate in readers.read(path, ledger): …
    """

    def __init__(self, processes: int | None = None) -> None:
        """``processes`` defaults to the number of processors; with one processor there are no extra processes."""
        self._number = min(len(os.sched_getaffinity(0)), PROCESSES) if processes is None else processes
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Readers":
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def read(self, path: Path, ledger: NotUnderstood) -> Reading:
        """As :func:`read_ocds`."""
        portions = _portions(read_pieces(path))
        first = list(islice(portions, FEW))
        if len(first) < FEW or self._number < 2:
            yield from _in_order((understand(one, ledger.keeps) for one in chain(first, portions)), ledger)
        else:
            yield from _in_order(self._understood(chain(first, portions), ledger.keeps), ledger)

    def _understood(self, portions: Iterable[Portion], keeps: bool) -> Iterator[Understood]:
        if self._pool is None:
            self._pool = processes(self._number)
        under_way: deque[Future[Understood]] = deque()
        for portion in portions:
            under_way.append(self._pool.submit(understand, portion, keeps))
            if len(under_way) >= AHEAD * self._number:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _portions(pieces: Iterable[FilePiece | UnreadablePiece]) -> Iterator[Portion]:
    portion: list[FilePiece | UnreadablePiece] = []
    size = 0
    for piece in pieces:
        portion.append(piece)
        size += len(piece.content) if isinstance(piece, FilePiece) else 0
        if size >= PORTION:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _in_order(results: Iterable[Understood], ledger: NotUnderstood) -> Reading:
    for candidates, unread in results:
        ledger.update(unread)
        yield from candidates


def understand(portion: Portion, keeps: bool = False) -> Understood:
    """The candidates of some pieces (None for refused ones), and the ledger of what was not understood, with every loss
    if it ``keeps`` them."""
    ledger = NotUnderstood(keeps=keeps)
    documents = (document for piece in portion for document in documents_of(piece, ledger))
    found = (
        one
        for document in documents
        for one in ([document] if isinstance(document, UnreadablePiece) else unpack(document, ledger))
    )
    return [_candidate(one, ledger) for one in found], ledger


def _candidate(found: Release | UnreadablePiece, ledger: NotUnderstood) -> Candidate | None:
    ledger.where = found.where
    if isinstance(found, UnreadablePiece):
        ledger.add(f"refused: {found.kind}", found.reason)
        return None
    original = Original(
        digest=found.digest,
        ocid=found.ocid,
        source=publisher_of(found.ocid),
        where=found.where,
        publisher=found.publisher,
        licence=found.licence,
        country=found.country,
        released_at=found.released_at,
        body=packed(found.body),
    )
    events = events_of(read_process([found], ledger, region_code), ledger)
    return unless_too_large(Candidate(original, *facts_of(events), merges=True), ledger)
