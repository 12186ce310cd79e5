"""What is recommended to suppliers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from catalogue.policy.bounds import Rules


class RecommendationRules(Rules, frozen=True, kw_only=True):
    horizon_days: Annotated[int, Meta(ge=1, le=3650)] = 60
    """A purchase is recommended when it ends within so many days: a session dated years ahead asks nothing of anybody yet. Quick quotes
    end within 30 days, sessions within hours; two months leave a supplier time to prepare for a pool."""
