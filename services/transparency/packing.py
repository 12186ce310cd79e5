"""Makes packs: events with many processes or organisations of one bucket (:mod:`events.imports`)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from events.accounts import OrganisationRegistered
from events.auctions import BidDisclosed
from events.codec import Event
from events.contracts import AwardMade, ContractConcluded, ContractEnded
from events.imports import MOST_IN_A_PACK, OrganisationImported, ProcessImported
from events.transparency import TenderImported
from infra.buckets import bucket_of
from services.transparency.ocds.candidates import LARGEST, ProcessFact

T = TypeVar("T")
PACK = 300_000
"""The most bytes of a pack that holds more than one item."""
Telling = tuple[type[Event], str, bytes]
"""The class of an event, its bucket, and the event as JSON."""


class _Process(msgspec.Struct, frozen=True):
    """A :class:`events.imports.ImportedProcess`, made from facts that are JSON already."""

    process_id: str
    tender: msgspec.Raw | None
    bids: list[msgspec.Raw]
    awards: list[msgspec.Raw]
    contracts: list[msgspec.Raw]
    endings: list[msgspec.Raw]


class _Processes(msgspec.Struct, frozen=True):
    """A :class:`ProcessImported`, made of JSON in the same way."""

    bucket: str
    processes: list[_Process]


class _Organisations(msgspec.Struct, frozen=True):
    """An :class:`OrganisationImported`, made of JSON in the same way."""

    bucket: str
    organisations: list[msgspec.Raw]


def packs_of_processes(facts: Iterable[ProcessFact]) -> Iterator[Telling]:
    told = (
        (bucket_of(process_id, ProcessImported.TOPIC), sum(len(fact.data) for fact in portion), (process_id, portion))
        for process_id, portion in _portions(facts)
    )
    for bucket, pack in _packed(told):
        yield ProcessImported, bucket, processes_imported(bucket, pack)


def processes_imported(bucket: str, pack: Iterable[tuple[str, Sequence[ProcessFact]]]) -> bytes:
    """The event as JSON, from the facts of each process (its id comes first)."""
    return msgspec.json.encode(_Processes(bucket, [_process(process_id, facts) for process_id, facts in pack]))


def _process(process_id: str, facts: Iterable[ProcessFact]) -> _Process:
    of_kind: dict[type[Event], list[msgspec.Raw]] = {}
    for fact in facts:
        of_kind.setdefault(fact.kind, []).append(msgspec.Raw(fact.data))
    tender, *_ = of_kind.get(TenderImported, [None])
    others = (of_kind.get(kind, []) for kind in (BidDisclosed, AwardMade, ContractConcluded, ContractEnded))
    return _Process(process_id, tender, *others)


def packs_of_organisations(organisations: Iterable[OrganisationRegistered]) -> Iterator[Telling]:
    written = ((one.organisation_id, msgspec.json.encode(one)) for one in organisations)
    told = ((bucket_of(each, OrganisationImported.TOPIC), len(data), msgspec.Raw(data)) for each, data in written)
    for bucket, pack in _packed(told):
        yield OrganisationImported, bucket, msgspec.json.encode(_Organisations(bucket, pack))


def _packed(told: Iterable[tuple[str, int, T]]) -> Iterator[tuple[str, list[T]]]:
    """Group the items of each bucket into packs; yield (bucket, pack), and the items of a bucket in their order."""
    open_: dict[str, tuple[int, list[T]]] = {}
    for bucket, size, thing in told:
        before, pack = open_.get(bucket, (0, []))
        if pack and (before + size > PACK or len(pack) == MOST_IN_A_PACK):
            yield bucket, pack
            before, pack = 0, []
        pack.append(thing)
        open_[bucket] = before + size, pack
    for bucket, (_, pack) in open_.items():
        yield bucket, pack


def _portions(facts: Iterable[ProcessFact]) -> Iterator[tuple[str, list[ProcessFact]]]:
    """The facts of each process, in one portion, or in several if they are large."""
    by_process: dict[str, list[ProcessFact]] = {}
    for fact in facts:
        by_process.setdefault(fact.process_id, []).append(fact)
    for process_id, together in by_process.items():
        portion: list[ProcessFact] = []
        size = 0
        for fact in together:
            if portion and size + len(fact.data) > LARGEST:
                yield process_id, portion
                portion, size = [], 0
            portion.append(fact)
            size += len(fact.data)
        yield process_id, portion
