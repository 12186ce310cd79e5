"""Recommendations. Producer: recommender."""

from datetime import datetime
from decimal import Decimal

import msgspec

from events.codec import Event, event


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """One opportunity with its reasons in words. ``kind`` is auction, quote (a quick quote), pool or purchase; ``path`` is
    the page's."""

    kind: str
    opportunity_id: str
    title: str
    buyer_name: str
    path: str
    closes_at: datetime | None
    amount: Decimal | None = None
    currency: str = ""
    score: float
    reasons: tuple[str, ...]


@event(key="supplier_id")
class RecommendationsMade(Event, frozen=True, kw_only=True):
    """Replaces the supplier's former list. ``model_id`` names the model whose figures are public."""

    supplier_id: str
    model_id: str
    made_at: datetime
    items: tuple[Recommendation, ...]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A measured figure of a model or baseline on the time split, such as ``hr@10`` of ``all``."""

    name: str
    group: str
    value: float


@event(key="model_id")
class ModelTrained(Event, frozen=True, kw_only=True):
    """``promoted`` is false when it measured worse than the one in use, which then stays."""

    model_id: str
    trained_at: datetime
    awards: int
    suppliers: int
    promoted: bool
    reason: str
    figures: tuple[Figure, ...]
