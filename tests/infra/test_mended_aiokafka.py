"""A reset connection to Kafka counts as lost in every event loop, and batches are compressed quickly."""

import asyncio
import socket
import struct

import pytest
import uvloop
from aiokafka import conn
from aiokafka.codec import lz4_encode
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import ApiVersionRequest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

import infra.mended_aiokafka  # noqa: F401 - what is tested


async def _reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    peer: socket.socket = writer.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _write_until_it_is_lost(method: str, what: object) -> None:
    server = await asyncio.start_server(_reset, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = conn.AIOKafkaConnection("127.0.0.1", port)
    # as `connect` does, without an answering broker and a reading task, so that the reset is not noticed yet
    connection._reader, connection._writer = await asyncio.open_connection("127.0.0.1", port)
    connection._read_task = asyncio.create_task(asyncio.sleep(60))
    async with asyncio.timeout(10):
        while connection._writer is not None:
            getattr(connection, method)(what).close()  # the answer, which never comes
            await asyncio.sleep(0.001)
    server.close()


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize(("method", "what"), [("send", ApiVersionRequest()), ("_send_sasl_token", b"token")])
def test_what_is_written_to_a_reset_connection_is_a_lost_connection(method: str, what: object) -> None:
    with pytest.raises(KafkaConnectionError, match="broken"):
        uvloop.run(_write_until_it_is_lost(method, what))


def test_batches_are_compressed_at_the_lowest_level_and_read_as_they_were() -> None:
    value = b"".join(b'{"number":"%d","title":"Paper for offices"}' % number for number in range(5_000))
    builder = DefaultRecordBatchBuilder(2, DefaultRecordBatch.CODEC_LZ4, 0, 0, 0, 0, 1_000_000)
    builder.append(0, 0, b"key", value, [])
    written = bytes(builder.build())
    assert [record.value for record in DefaultRecordBatch(bytearray(written))] == [value]
    sizes = {level: len(lz4_encode(value, level=level)) for level in (1, 9)}
    assert sizes[9] < sizes[1]
    assert abs(len(written) - sizes[1]) < abs(len(written) - sizes[9])
