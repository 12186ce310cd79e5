"""The partition of a key, and the buckets by which imports are bundled.

A bucket corresponds to a partition: its key is a text that gives the same partition as the keys of everything in the
bucket. So a bundle comes into the partition into which former releases wrote single events about the same things, and
after these.
"""

import struct
from functools import cache
from itertools import count

from events.topics import topic

_FACTOR, _WORD = 0x5BD1E995, 0xFFFFFFFF


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key by Kafka's default partitioner (the hash murmur2), as clients in all languages compute it.
    The function of aiokafka takes twice as long, and an import calls it for each process and organisation."""
    data = key.encode()
    whole = len(data) & ~3
    found = 0x9747B28C ^ len(data)
    for word in struct.unpack(f"<{whole // 4}I", data[:whole]):
        word = word * _FACTOR & _WORD
        found = found * _FACTOR & _WORD ^ (word ^ word >> 24) * _FACTOR & _WORD
    if rest := data[whole:]:
        found = (found ^ int.from_bytes(rest, "little")) * _FACTOR & _WORD
    found = (found ^ found >> 13) * _FACTOR & _WORD
    return ((found ^ found >> 15) & 0x7FFFFFFF) % partitions


def bucket_of(key: str, topic_name: str) -> str:
    """The key of the bundle that holds things with this key, in that topic."""
    partitions = topic(topic_name).partitions
    return _key_in(partition_of(key, partitions), partitions)


@cache
def _key_in(partition: int, partitions: int) -> str:
    names = (f"bucket-{number}" for number in count())
    return next(name for name in names if partition_of(name, partitions) == partition)
