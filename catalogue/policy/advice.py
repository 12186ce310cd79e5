"""Rules for what is recommended to suppliers."""

from __future__ import annotations

from catalogue.policy.bounds import CalendarDays, Rules


class RecommendationRules(Rules, frozen=True, kw_only=True):
    horizon_days: CalendarDays = 60
    """A purchase is recommended only if it ends within this many days: an auction that is dated years ahead needs no
    action yet. Quick quotes end within 30 days, auctions within hours; two months leave a supplier time to prepare for
    a pool."""
