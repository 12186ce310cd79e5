"""Corrects three faults of aiokafka, for the whole process, when this module is imported.

1. uvloop raises RuntimeError for a write to a connection that was reset and is not closed yet, where aiokafka expects
an OSError. This error silently ends the task that keeps the list of brokers, and the client then waits for a new list
for ever.

2. Kafka accepts header names that are not UTF-8 from every client that may write. aiokafka fails on the whole batch
with such a record, each time, so its consumer never gets past it. Here the wrong bytes become U+FFFD: the record is
then an event with a header of an unknown name, or it lacks a required header and becomes a dead letter.

3. aiokafka compresses with LZ4 at level 9. Level 1 takes a seventh of that time, and our messages then have an eighth
of their size instead of a ninth.
"""

import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

from aiokafka import conn
from aiokafka.codec import lz4_encode
from aiokafka.consumer import fetcher
from aiokafka.errors import KafkaConnectionError
from aiokafka.record.default_records import DefaultRecordBatchBuilder, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy


class _Connection(conn.AIOKafkaConnection):  # type: ignore[misc]
    def send(self, *arguments: Any, **named: Any) -> Any:
        try:
            return super().send(*arguments, **named)
        except RuntimeError as closed:
            raise self._broken(closed) from closed

    def _send_sasl_token(self, *arguments: Any, **named: Any) -> Any:
        try:
            return super()._send_sasl_token(*arguments, **named)
        except RuntimeError as closed:
            raise self._broken(closed) from closed

    def _broken(self, why: RuntimeError) -> KafkaConnectionError:
        self.close(reason=conn.CloseReason.CONNECTION_BROKEN)
        return KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {why}")


class _Bytes(bytearray):
    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return _Bytes(found) if isinstance(at, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return super().decode(encoding, errors)


class _Batch(_DefaultRecordBatchPy):  # type: ignore[misc]
    _buffer: Any

    def _maybe_uncompress(self) -> None:
        if not self._decompressed:
            super()._maybe_uncompress()
            self._buffer = _Bytes(self._buffer)


class _Lenient(_MemoryRecordsPy):  # type: ignore[misc]
    """aiokafka's reader in Python, which accepts any header names. It is ten times slower than the one in C."""

    def next_batch(self, *arguments: Any) -> Any:
        there = self._next_slice
        batch = super().next_batch(*arguments)
        return _Batch(there) if there is not None and there[self.MAGIC_OFFSET] >= 2 else batch


class _Fetched(fetcher.MemoryRecords):  # type: ignore[misc]
    def __init__(self, fetched: bytes) -> None:
        super().__init__(fetched)
        self.fetched = fetched


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    _records: Any

    def _unpack_records(self) -> Iterator[Any]:
        try:
            yield from super()._unpack_records()
        except UnicodeDecodeError:
            self._records = _Lenient(self._records.fetched)  # it continues after the records that were returned
            yield from super()._unpack_records()


fetcher.MemoryRecords = _Fetched
fetcher.PartitionRecords = _PartitionRecords
conn.AIOKafkaConnection = _Connection
sys.modules[DefaultRecordBatchBuilder.__module__].lz4_encode = partial(lz4_encode, level=1)  # type: ignore[attr-defined]
