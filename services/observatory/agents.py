"""The rolling months, a Faust view: every priced line as it comes, once for each event.

They can be rebuilt by replay (``lonja rebuild observatory.rolling``), so they contain all events of the log: a
corrected contract is counted twice, with the old and the new price. The reference price takes corrections into account;
this view shows the stream. Offers are left out, because they are asked prices, not paid ones, and are valid for months.
"""

from collections.abc import Iterable, Iterator, Sequence

from events import Envelope
from events.auctions import BidDisclosed
from events.contracts import AwardMade, ContractConcluded
from events.imports import ImportedProcess, ProcessImported, processes_of
from infra.database import Transaction
from infra.reactions import Reactions
from infra.service import View
from services.observatory import intake, store
from services.observatory.domain import entry
from services.observatory.intake import Seen

reactions = Reactions()


async def add_contracts(tx: Transaction, events: Sequence[ContractConcluded]) -> None:
    await _add(tx, (intake.of_contract(event) for event in events))


async def add_awards(tx: Transaction, events: Sequence[AwardMade]) -> None:
    await _add(tx, (intake.of_award(event) for event in events))


async def add_processes(tx: Transaction, events: Sequence[ProcessImported]) -> None:
    await _add(tx, (seen for process in processes_of(events) for seen in _of_process(process)))


def _of_process(process: ImportedProcess) -> Iterator[Seen]:
    yield from intake.of_imported_bids(process)
    yield from map(intake.of_award, process.awards)
    yield from map(intake.of_contract, process.contracts)


reactions.many(ProcessImported, add_processes)
reactions.many(ContractConcluded, add_contracts)
reactions.many(AwardMade, add_awards)


@reactions.with_envelope(BidDisclosed)
async def add_bid(tx: Transaction, event: BidDisclosed, envelope: Envelope) -> None:
    await _add(tx, [intake.of_bid(event, envelope.time)])


async def _add(tx: Transaction, documents: Iterable[Seen]) -> None:
    found = ((seen.origin, entry(one)) for seen in documents for one in seen.observations)
    await store.add_to_months(tx, [(series, made) for series, made in found if made is not None])


VIEWS = (View("observatory.rolling", reactions, store.forget_months),)
