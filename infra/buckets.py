"""In which partition a key lands, and the buckets that packs of an import are made of.

A bucket is a partition: its key is a text that lands where the keys of all that is in it land by themselves. So what is told in packs
stands in the partition in which former releases told of the same things one by one, and after that.
"""

import struct
from functools import cache
from itertools import count

from events.topics import topic

_FACTOR, _WORD = 0x5BD1E995, 0xFFFFFFFF


def partition_of(key: str, partitions: int) -> int:
    """As Kafka's default partitioner has it, ours and those in other languages: by the hash murmur2. aiokafka's takes twice as long, and
    an import asks for each process and organisation."""
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
    """The key of the pack in which something with this key is told in that topic."""
    partitions = topic(topic_name).partitions
    return _key_in(partition_of(key, partitions), partitions)


@cache
def _key_in(partition: int, partitions: int) -> str:
    names = (f"bucket-{number}" for number in count())
    return next(name for name in names if partition_of(name, partitions) == partition)
