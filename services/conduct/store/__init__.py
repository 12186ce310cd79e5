"""Rows of conduct: breaches and the sanctions that followed, facts of the public record and of the execution, and
replicas of organisations, contracts, and what a record needs of their orders, deliveries and disputes."""

from services.conduct.store.performed import PerformedRow
from services.conduct.store.record import FactRow
from services.conduct.store.replicas import ContractRow, DeliveryRow, DisputeRow, OrderRow
from services.conduct.store.rows import Row
from services.conduct.store.sanctions import BreachRow, SanctionRow

__all__ = [
    "BreachRow",
    "ContractRow",
    "DeliveryRow",
    "DisputeRow",
    "FactRow",
    "OrderRow",
    "PerformedRow",
    "Row",
    "SanctionRow",
]
