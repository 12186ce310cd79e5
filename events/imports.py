"""What other markets published. Producer: transparency.

An import brings tens of thousands of records. Therefore they have their own topic, whose readers let the events of this
market go first, and one event (a bundle) holds many processes or organisations. A bundle holds those of one *bucket*, which
depends only on their ids: all events about one process go into the same partition, in order.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, TypeVar

from msgspec import Meta, Struct

from events.accounts import OrganisationRegistered
from events.auctions import BidDisclosed
from events.bounds import Key, Many
from events.codec import Event, event
from events.contracts import AwardMade, ContractConcluded, ContractEnded
from events.transparency import TenderImported

T = TypeVar("T")
MOST_IN_A_BUNDLE = 200
Bundle = Annotated[
    tuple[T, ...],
    Meta(extra={"most": MOST_IN_A_BUNDLE}, extra_json_schema={"maxItems": MOST_IN_A_BUNDLE, "minItems": 1}),
]


@event(key="organisation_id")
class OrganisationImportedV1(Event, frozen=True, kw_only=True):
    """An organisation of another market, with all that was read about it so far. If it is published again, the later
    event holds."""

    organisation_id: Key
    organisation: OrganisationRegistered

    def upcast(self) -> "OrganisationImported":
        return OrganisationImported(bucket=self.organisation_id, organisations=(self.organisation,))


@event(key="bucket", version=2)
class OrganisationImported(Event, frozen=True, kw_only=True):
    """Organisations of another market, each with all that was read about it so far. If one is published again, the
    later event holds."""

    bucket: Key
    organisations: Bundle[OrganisationRegistered]

    def pieces(self) -> "tuple[OrganisationImported, ...]":
        return tuple(OrganisationImported(bucket=self.bucket, organisations=(one,)) for one in self.organisations)


class ImportedProcess(Struct, frozen=True, kw_only=True, gc=False):
    """A process of another market, or what is new about it: the same facts as for a process of this market, each once.

    Facts that were published before and have not changed are left out. A large process is divided into several of
    these, in order.
    """

    process_id: Key
    tender: TenderImported | None = None
    bids: Many[BidDisclosed] = ()
    awards: Many[AwardMade] = ()
    contracts: Many[ContractConcluded] = ()
    endings: Many[ContractEnded] = ()
    """Ids of contracts that were cancelled after their conclusion."""


@event(key="process_id")
class ProcessImportedV1(Event, frozen=True, kw_only=True):
    """A single process."""

    process_id: Key
    tender: TenderImported | None = None
    bids: Many[BidDisclosed] = ()
    awards: Many[AwardMade] = ()
    contracts: Many[ContractConcluded] = ()
    endings: Many[ContractEnded] = ()

    def upcast(self) -> "ProcessImported":
        process = ImportedProcess(
            process_id=self.process_id,
            tender=self.tender,
            bids=self.bids,
            awards=self.awards,
            contracts=self.contracts,
            endings=self.endings,
        )
        return ProcessImported(bucket=self.process_id, processes=(process,))


@event(key="bucket", version=2)
class ProcessImported(Event, frozen=True, kw_only=True):
    """Processes of other markets, or what is new about them."""

    bucket: Key
    processes: Bundle[ImportedProcess]

    def pieces(self) -> "tuple[ProcessImported, ...]":
        return tuple(ProcessImported(bucket=self.bucket, processes=(one,)) for one in self.processes)


def processes_of(events: Iterable[ProcessImported]) -> Iterator[ImportedProcess]:
    return (process for event in events for process in event.processes)


def organisations_of(events: Iterable[OrganisationImported]) -> Iterator[OrganisationRegistered]:
    return (organisation for event in events for organisation in event.organisations)
