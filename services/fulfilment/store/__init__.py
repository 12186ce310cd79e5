"""Rows of fulfilment: executions, written with their version, with their history, and the names of their contracts."""

from services.fulfilment.store.executions import ExecutionRow, HappenedRow
from services.fulfilment.store.replicas import ContractRow
from services.fulfilment.store.rows import Row

__all__ = ["ContractRow", "ExecutionRow", "HappenedRow", "Row"]
