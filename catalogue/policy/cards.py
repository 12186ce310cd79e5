"""The catalogue: what a card says at least, how long it waits, how long an offer stands."""

from __future__ import annotations

from catalogue.policy.bounds import Count, Positive, Rules


class CatalogueRules(Rules, frozen=True, kw_only=True):
    fewest_attributes: Count = 4
    """Of a SKU, so that buyers can tell it from others."""
    moderation_days: Positive = 5
    """Working days in which a moderator decides about a SKU."""
    offer_months: Positive = 3
    """An offer is valid for so many months at most."""


USUAL = CatalogueRules()
"""Where a policy says nothing else."""
