"""Rules for what is recommended to suppliers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from catalogue.policy.bounds import Rules


class RecommendationRules(Rules, frozen=True, kw_only=True):
    horizon_days: Annotated[int, Meta(ge=1, le=3650)] = 60
    """A purchase is recommended only if it ends within this many days: a session that is dated years ahead needs no
    action yet. Quick quotes end within 30 days, sessions within hours; two months leave a supplier time to prepare for
    a pool."""
