"""In which partition a key lands, and the buckets that packs of an import are made of.

A bucket is a partition: its key is a text that lands where the keys of all that is in it land by themselves. So what is told in packs
stands in the partition in which former releases told of the same things one by one, and after that.
"""

from functools import cache
from itertools import count

from events.topics import topic


def partition_of(key: str, partitions: int) -> int:
    """As Kafka's default partitioner has it, ours and those in other languages."""
    from aiokafka.partitioner import murmur2  # commands know this module, and few of them speak to Kafka

    return int(murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def bucket_of(key: str, topic_name: str) -> str:
    """The key of the pack in which something with this key is told in that topic."""
    partitions = topic(topic_name).partitions
    return _key_in(partition_of(key, partitions), partitions)


@cache
def _key_in(partition: int, partitions: int) -> str:
    names = (f"bucket-{number}" for number in count())
    return next(name for name in names if partition_of(name, partitions) == partition)
