"""Imported processes and organisations are bundled: with limited size, by bucket, in the order of each process."""

from collections import defaultdict
from collections.abc import Iterator

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from events.imports import MOST_IN_A_BUNDLE, ProcessImported, processes_of
from events.topics import topic
from events.transparency import TenderImported
from infra.buckets import bucket_of
from services.transparency.bundling import BUNDLE, bundles_of_processes
from services.transparency.ocds.candidates import ProcessFact


def facts(*sizes: tuple[int, int]) -> Iterator[ProcessFact]:
    """Tenders, given as (number of the process, length of the title). The status of a tender is its index among all."""
    source = {"publisher": "P", "document": "d"}
    for number, (process, size) in enumerate(sizes):
        tender = {
            "process_id": f"process {process}",
            "ocid": "o",
            "buyer_id": None,
            "title": "t" * size,
            "status": str(number),
            "source": source,
        }
        yield ProcessFact(TenderImported, f"process {process}", f"tender/{number}", b"", msgspec.json.encode(tender))


def told(*sizes: tuple[int, int]) -> list[tuple[str, ProcessImported, int]]:
    made = list(bundles_of_processes(facts(*sizes)))
    assert {kind for kind, _, _ in made} <= {ProcessImported}
    return [(bucket, msgspec.json.decode(data, type=ProcessImported), len(data)) for _, bucket, data in made]


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from([1, 5_000, 150_000, 390_000])), max_size=60))
def test_each_process_is_published_in_its_bucket_and_bundles_are_bounded(sizes: list[tuple[int, int]]) -> None:
    bundles = told(*sizes)
    found: dict[str, int] = defaultdict(int)
    for bucket, bundle, length in bundles:
        assert bucket == bundle.bucket
        for process in bundle.processes:
            assert bucket_of(process.process_id, ProcessImported.TOPIC) == bucket
            found[process.process_id] += 1
        assert 1 <= len(bundle.processes) <= MOST_IN_A_BUNDLE
        assert length <= BUNDLE * 2 or len(bundle.processes) == 1
    assert found.keys() == {f"process {process}" for process, _ in sizes}


def test_many_small_processes_make_few_bundles() -> None:
    bundles = told(*((number, 1) for number in range(1_000)))
    assert len(bundles) <= 1_000 / MOST_IN_A_BUNDLE + topic(ProcessImported.TOPIC).partitions
    assert len(list(processes_of(bundle for _, bundle, _ in bundles))) == 1_000


def test_the_events_of_a_large_process_keep_their_order() -> None:
    bundles = told(*((1, 150_000) for _ in range(8)), (2, 1), (1, 150_000))
    parts = [each for each in processes_of(bundle for _, bundle, _ in bundles) if each.process_id == "process 1"]
    said = [int(each.tender.status) for each in parts if each.tender]
    assert len(parts) > 1 and said == sorted(said)
