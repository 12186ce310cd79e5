"""What was read from one record, ready to be stored and published, as far as this does not depend on stored data."""

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from catalogue import places
from events.accounts import OrganisationRegistered
from events.auctions import BidDisclosed
from events.codec import Event
from events.contracts import AwardMade, ContractConcluded, ContractEnded
from events.transparency import TenderImported
from services.transparency.ocds.documents import parsed, written
from services.transparency.ocds.packages import Release
from services.transparency.ocds.tolerance import NotUnderstood

LARGEST = 400_000
"""The most bytes of facts in one event, so that it stays below the limit of events."""
region_code = lru_cache(maxsize=50_000)(places.region_code)


class Original(msgspec.Struct, frozen=True, kw_only=True):
    """A published record to store; ``source`` is the prefix of its publisher's ids, ``body`` its compressed JSON."""

    digest: str
    ocid: str
    source: str
    where: str
    publisher: str
    licence: str
    body: bytes
    country: str | None = None
    released_at: str = ""

    def release(self) -> Release:
        return Release(
            ocid=self.ocid,
            body=parsed(zlib.decompress(self.body)),
            digest=self.digest,
            where=self.where,
            released_at=self.released_at,
            publisher=self.publisher,
            licence=self.licence,
            country=self.country,
        )

    @property
    def former_digest(self) -> str:
        """The digest of the record in homes of former releases of Lonja: of another form of the same content, which
        takes longer to compute."""
        whole = parsed(zlib.decompress(self.body))
        return hashlib.sha256(json.dumps([self.ocid, whole], sort_keys=True, default=str).encode()).hexdigest()


def packed(body: Any) -> bytes:
    """The body in the form that :class:`Original` stores."""
    return zlib.compress(written(body), 1)


class ProcessFact(msgspec.Struct, frozen=True):
    """An event of a process, as JSON. ``thing`` identifies its subject, and ``digest`` its content, to detect changes.
    Both are empty if it is published only once."""

    kind: type[Event]
    process_id: str
    thing: str
    digest: bytes
    data: bytes


class Candidate(msgspec.Struct, frozen=True):
    """A record that was read: what to store, and the facts that it states by itself. ``merges``: it is a release, which
    is merged with others of its process; a row is not merged."""

    original: Original
    organisations: Sequence[OrganisationRegistered]
    facts: Sequence[ProcessFact]
    merges: bool = False


Reading = Iterator[Candidate | None]
"""The records of a file; None stands for a refused one, whose reason is in the ledger."""


def unless_too_large(one: Candidate, ledger: NotUnderstood) -> Candidate | None:
    """The candidate, or None if a fact is too large for an event: then it is refused."""
    if all(len(fact.data) <= LARGEST for fact in one.facts):
        return one
    ledger.add("refused: more text or lines than one event carries", one.original.ocid)
    return None


def facts_of(events: Sequence[Event], *, once: bool = False) -> tuple[list[OrganisationRegistered], list[ProcessFact]]:
    """The organisations in the events of one process, and the other facts. With ``once`` the facts cannot come
    again."""
    organisations = [event for event in events if isinstance(event, OrganisationRegistered)]
    fact = _fact_told_once if once else _fact
    return organisations, [fact(event) for event in events if not isinstance(event, OrganisationRegistered)]


def _fact(event: Event) -> ProcessFact:
    data = msgspec.json.encode(event)
    return ProcessFact(type(event), event.subject, _thing(event), _digest(event, data), data)


def _fact_told_once(event: Event) -> ProcessFact:
    return ProcessFact(type(event), event.subject, "", b"", msgspec.json.encode(event))


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
    raise TypeError(f"an import does not tell of a {type(event).__name__}")


def _digest(event: Event, data: bytes) -> bytes:
    """The digest of the content. A change of the place in which it was read does not count."""
    if source := getattr(event, "source", None):
        nowhere = msgspec.structs.replace(source, document="", published_at=None)
        data = msgspec.json.encode(msgspec.structs.replace(event, source=nowhere))
    return hashlib.blake2b(data, digest_size=16).digest()
