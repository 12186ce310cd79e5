"""Executions are decoded once for each version: see :mod:`infra.decoded`."""

from typing import Any

import msgspec

from infra.decoded import ON_LOOP
from services.fulfilment.domain.duties import Agenda, agenda
from services.fulfilment.domain.state import Execution


class StoredExecution(msgspec.Struct, frozen=True, kw_only=True):
    """An execution and its version. Version 0 means that it is not stored yet. ``due`` is its agenda, if it was
    computed."""

    execution: Execution
    version: int = 0
    due: Agenda | None = None

    @property
    def agenda(self) -> Agenda:
        return self.due or agenda(self.execution)


def decode(state: str, row: Any) -> StoredExecution:
    """Decode the state, with what every page of it shows."""
    return _decode(state, row["version"])


def _decode(state: str, version: int) -> StoredExecution:
    execution = msgspec.json.decode(state, type=Execution)
    kept = StoredExecution(execution=execution, version=version, due=agenda(execution))
    if len(state) > ON_LOOP:
        for each in (execution, execution.without_words):
            for name in ("sums", "settled", "outstanding_of", "invoiceable", "deliveries_of", "invoice_of"):
                getattr(each, name)
    return kept
