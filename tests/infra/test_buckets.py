"""Bundles of an import are in the partitions in which their content would be as single events."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from events.imports import OrganisationImported, ProcessImported
from events.topics import topic
from infra.buckets import bucket_of, partition_of


def by_kafka(key: str, partitions: int) -> int:
    return int(DefaultPartitioner()(key.encode(), list(range(partitions)), []))


@given(st.text(), st.integers(1, 50))
def test_the_partition_of_a_key_is_the_one_that_kafka_chooses(key: str, partitions: int) -> None:
    assert partition_of(key, partitions) == by_kafka(key, partitions)


@given(st.text())
def test_a_bundle_is_in_the_partition_of_each_of_its_processes(process_id: str) -> None:
    assert ProcessImported.TOPIC == OrganisationImported.TOPIC
    partitions = topic(ProcessImported.TOPIC).partitions
    bucket = bucket_of(process_id, ProcessImported.TOPIC)
    assert by_kafka(bucket, partitions) == by_kafka(process_id, partitions)


def test_there_are_as_many_buckets_as_partitions() -> None:
    found = {bucket_of(str(number), ProcessImported.TOPIC) for number in range(1000)}
    assert len(found) == topic(ProcessImported.TOPIC).partitions
