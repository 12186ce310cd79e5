"""Recommendations. Producer: recommender."""

from datetime import datetime

import msgspec

from events.bounds import Exact, Key, Label, Many, Prose
from events.codec import Event, event


class Recommendation(msgspec.Struct, frozen=True, kw_only=True):
    """One opportunity with its reasons in words. ``kind`` is auction, quote (a quick quote), pool or purchase; ``path``
    is that of its page."""

    kind: Key
    opportunity_id: Key
    title: Label
    buyer_name: Label
    path: Key
    closes_at: datetime | None
    amount: Exact | None = None
    currency: Key = ""
    score: float
    reasons: Many[Prose]


@event(key="supplier_id")
class RecommendationsMade(Event, frozen=True, kw_only=True):
    """Replaces the supplier's former list. ``model_id`` names the model whose figures are public."""

    supplier_id: Key
    model_id: Key
    made_at: datetime
    items: Many[Recommendation]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A measured figure of a model or baseline on the time split, such as ``hr@10`` of ``all``."""

    name: Label
    group: Label
    value: float


@event(key="model_id")
class ModelTrained(Event, frozen=True, kw_only=True):
    """``promoted`` is false if the new model measured worse than the one in use, which then stays in use."""

    model_id: Key
    trained_at: datetime
    awards: int
    suppliers: int
    promoted: bool
    reason: Prose
    figures: Many[Figure]
