"""Connections to Kafka that broke just now, as aiokafka takes them once this module is imported: wherever it is used.

uvloop raises RuntimeError for what is written to a connection that was reset and is not closed yet. aiokafka expects an OSError there. The
other error ends, without a word, its task that keeps the list of brokers, and the client then waits for ever for a new list.
"""

from typing import Any

from aiokafka import conn
from aiokafka.errors import KafkaConnectionError


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


conn.AIOKafkaConnection = _Connection
