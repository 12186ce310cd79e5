"""The five published files: every record is imported or refused, and expected records are found."""

from collections import Counter
from pathlib import Path

import pytest

from services.transparency.ocds.mapping import events_of
from services.transparency.ocds.tolerance import NotUnderstood
from tests.services.transparency.publication_builders import processes, read


@pytest.mark.parametrize(
    ("name", "read_as", "refused", "ocids", "awards", "contracts"),
    [
        ("canada", 63, 0, 31, 20, 11),
        ("colombia", 31, 0, 21, 20, 20),
        ("moldova", 102, 0, 51, 18, 18),
        ("paraguay", 84, 2, 12, 10, 18),
    ],
)
def test_packages_records_and_releases_are_read(
    name: str, read_as: int, refused: int, ocids: int, awards: int, contracts: int, data: Path, ledger: NotUnderstood
) -> None:
    releases, unreadable = read(data / "ocds" / f"{name}.jsonl.gz", ledger)
    found = processes(releases, ledger)
    events = Counter(type(event).__name__ for process in found for event in events_of(process, ledger))
    assert (len(releases), len(unreadable), len(found)) == (read_as, refused, ocids)
    assert (events["AwardMade"], events["ContractConcluded"]) == (awards, contracts)
    assert {one.kind for one in unreadable} <= {"record: only links to its releases"}
    assert all(process.title for process in found)


def test_armenia_brings_its_bids_suppliers_and_prices(data: Path, ledger: NotUnderstood) -> None:
    releases, unreadable = read(data / "ocds" / "armenia_releases_2018.jsonl.gz", ledger)
    found = processes(releases, ledger)
    assert (len(releases), unreadable, len(found)) == (900, [], 900)
    assert sum(len(process.bids) for process in found) == 1468
    suppliers = {one.organisation_id for process in found for award in process.awards for one in award.suppliers}
    buyers = {process.buyer.organisation_id for process in found if process.buyer}
    lines = [line for process in found for award in process.awards for line in award.lines]
    assert len(buyers) == 50
    assert 100 < len(suppliers) <= 206
    assert len(lines) == 424
    assert {line.category.scheme for line in lines if line.category} == {"CPV"}
    assert {process.place.country for process in found} == {"AM"}
    assert all(not line.amount or line.quantity is None or line.unit_price is not None for line in lines)
