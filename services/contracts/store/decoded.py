"""Executions that were read lately, each version decoded once: a contract may be megabytes of JSON, and anybody may ask for it again
and again. What is large is decoded in a thread, so that nobody else waits for it."""

import asyncio
from collections import OrderedDict
from weakref import WeakValueDictionary

import msgspec

from services.contracts.domain.execution.duties import Agenda, agenda
from services.contracts.domain.execution.state import Execution

ON_LOOP = 50_000
"""Letters of JSON that are decoded where everybody waits for it."""
HELD = 8_000_000
"""Letters of JSON of which the values are held at most, but for the one that was read last."""


class StoredExecution(msgspec.Struct, frozen=True, kw_only=True):
    """An execution as it stands at a version; 0: not stored yet. ``due`` is its agenda, where it was worked out."""

    execution: Execution
    version: int = 0
    due: Agenda | None = None

    @property
    def agenda(self) -> Agenda:
        return self.due or agenda(self.execution)


class Decoded:
    """By contract: the row's ``stamp``, which every write changes, the size of its state, and what it says."""

    def __init__(self) -> None:
        self._rows: OrderedDict[str, tuple[str, int, StoredExecution]] = OrderedDict()
        self._size = 0
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def turn(self, contract_id: str) -> asyncio.Lock:
        """Held by whoever reads this one: many who ask at once let it be decoded once."""
        lock = self._turns.get(contract_id)
        if lock is None:
            self._turns[contract_id] = lock = asyncio.Lock()
        return lock

    def stamp(self, contract_id: str) -> str | None:
        """Of what is held."""
        return self._rows[contract_id][0] if contract_id in self._rows else None

    def held(self, contract_id: str, stamp: str) -> StoredExecution | None:
        found = self._rows.get(contract_id)
        if found is None or found[0] != stamp:
            return None
        self._rows.move_to_end(contract_id)
        return found[2]

    def hold(self, contract_id: str, stamp: str, size: int, kept: StoredExecution) -> None:
        _, former, _ = self._rows.pop(contract_id, ("", 0, kept))
        self._rows[contract_id] = stamp, size, kept
        self._size += size - former
        while self._size > HELD and len(self._rows) > 1:
            _, (_, dropped, _) = self._rows.popitem(last=False)
            self._size -= dropped


async def decode(state: str, version: int) -> StoredExecution:
    """With what every page of it shows."""
    return await asyncio.to_thread(_decode, state, version) if len(state) > ON_LOOP else _decode(state, version)


def _decode(state: str, version: int) -> StoredExecution:
    execution = msgspec.json.decode(state, type=Execution)
    kept = StoredExecution(execution=execution, version=version, due=agenda(execution))
    if len(state) > ON_LOOP:
        for each in (execution, execution.without_words):
            for name in ("sums", "settled", "outstanding_of", "invoiceable", "deliveries_of", "invoice_of"):
                getattr(each, name)
    return kept
