"""Makes bundles: events with many processes or organisations of one bucket (:mod:`events.imports`)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from events.accounts import OrganisationRegistered
from events.auctions import BidDisclosed
from events.codec import Event
from events.contracts import AwardMade, ContractConcluded, ContractEnded
from events.imports import MOST_IN_A_BUNDLE, OrganisationImported, ProcessImported
from events.transparency import TenderImported
from infra.buckets import bucket_of
from services.transparency.ocds.candidates import LARGEST, ProcessFact

T = TypeVar("T")
BUNDLE = 300_000
"""The most bytes of a bundle that holds more than one item."""
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


def bundles_of_processes(facts: Iterable[ProcessFact]) -> Iterator[Telling]:
    told = (
        (bucket_of(process_id, ProcessImported.TOPIC), sum(len(fact.data) for fact in portion), (process_id, portion))
        for process_id, portion in _portions(facts)
    )
    for bucket, bundle in _bundled(told):
        yield ProcessImported, bucket, processes_imported(bucket, bundle)


def processes_imported(bucket: str, bundle: Iterable[tuple[str, Sequence[ProcessFact]]]) -> bytes:
    """The event as JSON, from the facts of each process (its id comes first)."""
    return msgspec.json.encode(_Processes(bucket, [_process(process_id, facts) for process_id, facts in bundle]))


def _process(process_id: str, facts: Iterable[ProcessFact]) -> _Process:
    of_kind: dict[type[Event], list[msgspec.Raw]] = {}
    for fact in facts:
        of_kind.setdefault(fact.kind, []).append(msgspec.Raw(fact.data))
    tender, *_ = of_kind.get(TenderImported, [None])
    others = (of_kind.get(kind, []) for kind in (BidDisclosed, AwardMade, ContractConcluded, ContractEnded))
    return _Process(process_id, tender, *others)


def bundles_of_organisations(organisations: Iterable[OrganisationRegistered]) -> Iterator[Telling]:
    written = ((one.organisation_id, msgspec.json.encode(one)) for one in organisations)
    told = ((bucket_of(each, OrganisationImported.TOPIC), len(data), msgspec.Raw(data)) for each, data in written)
    for bucket, bundle in _bundled(told):
        yield OrganisationImported, bucket, msgspec.json.encode(_Organisations(bucket, bundle))


def _bundled(told: Iterable[tuple[str, int, T]]) -> Iterator[tuple[str, list[T]]]:
    """Group the items of each bucket into bundles; yield (bucket, bundle), and the items of a bucket in their order."""
    open_: dict[str, tuple[int, list[T]]] = {}
    for bucket, size, thing in told:
        before, bundle = open_.get(bucket, (0, []))
        if bundle and (before + size > BUNDLE or len(bundle) == MOST_IN_A_BUNDLE):
            yield bucket, bundle
            before, bundle = 0, []
        bundle.append(thing)
        open_[bucket] = before + size, bundle
    for bucket, (_, bundle) in open_.items():
        yield bucket, bundle


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
