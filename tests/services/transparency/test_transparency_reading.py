"""Long files are read in several processes, with the same result."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psutil
import pytest

from events.accounts import OrganisationRegistered
from events.auctions import BidDisclosed
from events.contracts import AwardMade, ContractConcluded, ContractEnded
from events.imports import ImportedProcess, ProcessImported
from events.transparency import TenderImported
from events.values import Source
from services.transparency import reading
from services.transparency.bundling import processes_imported
from services.transparency.ocds.candidates import facts_of
from services.transparency.ocds.documents import FilePiece
from services.transparency.ocds.mapping import events_of
from services.transparency.ocds.releases import read_release
from services.transparency.ocds.tolerance import NotUnderstood
from services.transparency.reading import Readers, read_ocds
from tests.services.transparency.publication_builders import a_release


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PORTION", 2_000)


def _a_file(publish: Callable[..., Path]) -> Path:
    releases: list[object] = [a_release(f"ocds-abc123-{number}", colour=number % 7) for number in range(60)]
    releases[17], releases[40] = 42, a_release("ocds-abc123-3", id="2", date="2025-01-01")
    return publish(releases, "long.jsonl")


@pytest.mark.servers
@pytest.mark.usefixtures("small_portions")
def test_several_processes_read_what_one_reads(publish: Callable[..., Path]) -> None:
    path, alone, shared = _a_file(publish), NotUnderstood(), NotUnderstood()
    expected = list(read_ocds(path, alone))
    with Readers(2) as readers:
        found = list(readers.read(path, shared))
        again = list(readers.read(path, NotUnderstood()))
    assert found == expected == again
    assert found.count(None) == 1
    assert (list(shared.kinds.items()), shared.examples) == (list(alone.kinds.items()), alone.examples)


@pytest.mark.servers
@pytest.mark.usefixtures("small_portions")
def test_no_more_of_a_file_is_held_than_the_processes_are_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0

    def pieces(_: Path) -> Iterator[FilePiece]:
        nonlocal taken
        for number in range(200):
            taken += 1
            yield FilePiece(f"f:{number}", msgspec.json.encode(a_release(f"ocds-abc123-{number}")))

    monkeypatch.setattr(reading, "read_pieces", pieces)
    with Readers(2) as readers:
        for number, _ in enumerate(readers.read(Path("f"), NotUnderstood()), start=1):
            in_a_portion = 3
            assert taken - number <= in_a_portion * (reading.FEW + reading.AHEAD * 2 + 1)
    assert number == taken == 200


def test_a_short_file_starts_no_process(publish: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(reading, "ProcessPoolExecutor")
    with Readers(2) as readers:
        assert len(list(readers.read(_a_file(publish), NotUnderstood()))) == 60


KILLED = """
import sys
from pathlib import Path
from services.transparency import reading
from services.transparency.ocds.tolerance import NotUnderstood
if __name__ == "__main__":
    reading.PORTION = 2_000
    with reading.Readers(2) as readers:
        found = readers.read(Path(sys.argv[1]), NotUnderstood())
        next(found)
        print(*readers._pool._processes, flush=True)
        sys.stdin.read()
"""


@pytest.mark.servers
def test_the_processes_end_with_a_command_that_is_killed(publish: Callable[..., Path], tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    command = subprocess.Popen(
        [sys.executable, script, _a_file(publish)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert command.stdout is not None
    readers = [int(number) for number in command.stdout.readline().split()]
    assert len(readers) == 2
    command.send_signal(signal.SIGKILL)
    command.communicate()
    _, alive = psutil.wait_procs([one for one in map(_process, readers) if one], timeout=20)
    assert not alive


def _process(number: int) -> psutil.Process | None:
    try:
        return psutil.Process(number)
    except psutil.NoSuchProcess:
        return None


def test_facts_that_are_json_already_make_the_event_that_they_would_make(ledger: NotUnderstood) -> None:
    release = a_release()
    release["contracts"][0]["status"] = "cancelled"
    release["bids"] = {"details": [{"id": "b", "tenderers": [{"id": "S"}], "value": {"amount": 1, "currency": "EUR"}}]}
    events = events_of(read_release("ocds-abc123-1", release, Source(publisher="P", document="f:1"), ledger), ledger)
    facts = [event for event in events if not isinstance(event, OrganisationRegistered)]
    kinds = (BidDisclosed, AwardMade, ContractConcluded, ContractEnded)
    of_kind = [tuple(event for event in facts if isinstance(event, kind)) for kind in kinds]
    assert all(of_kind)
    (tender,) = (event for event in facts if isinstance(event, TenderImported))
    whole = ImportedProcess(
        process_id=facts[0].subject,
        tender=tender,
        bids=of_kind[0],
        awards=of_kind[1],
        contracts=of_kind[2],
        endings=of_kind[3],
    )
    alone = ImportedProcess(process_id="another", tender=tender)
    told = [(facts[0].subject, facts_of(events)[1]), ("another", facts_of([tender])[1])]
    assert processes_imported("bucket", told) == msgspec.json.encode(
        ProcessImported(bucket="bucket", processes=(whole, alone))
    )
