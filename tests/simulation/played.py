"""For a block, the market's code uses the simulated servers instead of the real ones, and ids come from a seed."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import infra.consumer
import infra.database
import infra.ids
from infra import outbox
from services.auctions import outages
from services.auctions.store import auctions, bids, blocked, pulse, replicas
from tests.simulation import database
from tests.simulation.broker import Kafka, consumer_at
from tests.simulation.database import Connection, Postgres
from tests.simulation.faults import Address

STORES: tuple[tuple[Any, str, Any], ...] = (
    (auctions, "insert", database.insert),
    (auctions, "lock_versions", database.lock_versions),
    (auctions, "load", database.load),
    (auctions, "lock", database.lock),
    (auctions, "lock_due", database.lock_due),
    (auctions, "lock_free", database.lock_free),
    (auctions, "save", database.save),
    (bids, "asked", database.asked),
    (bids, "publish_withheld", database.publish_withheld),
    (bids, "standing", database.standing),
    (blocked, "block", database.block),
    (blocked, "lose", database.lose),
    (blocked, "lock_due", database.lock_due_blocks),
    (blocked, "put_off", database.put_off),
    (blocked, "count", database.count_blocks),
    (blocked, "unblock", database.unblock),
    (blocked, "resuming", database.resuming),
    (pulse, "check_tables", database.check_tables),
    (pulse, "beat", database.beat),
    (pulse, "last", database.last_beat),
    (replicas.organisations, "states", database.states),
    (replicas.organisations, "get", database.no_organisation),
    (infra.database, "write_outbox", database.write_outbox),
)
"""(where, name, replacement). Each name must exist there."""
PACES: tuple[tuple[Any, str, float], ...] = ((outages, "BEAT", 1.0), (outbox, "IDLE_SECONDS", 3.0))
"""These are slower than in production, because most of a story consists of idle time."""


class Ids:
    """The two functions that :func:`infra.ids.new_id` uses."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._drawn = 0

    def time_ns(self) -> int:
        self._drawn += 1
        return (1_800_000_000_000 + self._drawn) * 1_000_000

    def urandom(self, size: int) -> bytes:
        return self._rng.randbytes(size)


@contextmanager
def played(server: Postgres, kafka: Kafka, seed: int = 0) -> Iterator[None]:
    ids = Ids(seed)

    async def connect(url: Address, *, server_settings: dict[str, str] | None = None, **_: Any) -> Connection:
        return await server.connect(url.process, (server_settings or {}).get("lock_timeout", ""))

    with ExitStack() as stack:
        for where, name, stand_in in (*STORES, *PACES):
            stack.enter_context(patch.object(where, name, stand_in))
        stack.enter_context(patch("asyncpg.connect", connect))
        stack.enter_context(patch.object(infra.consumer, "AIOKafkaConsumer", consumer_at(kafka)))
        stack.enter_context(patch.object(infra.consumer, "access", lambda address: {"bootstrap_servers": address}))
        stack.enter_context(patch.object(infra.ids, "time", ids))
        stack.enter_context(patch.object(infra.ids, "os", ids))
        yield
