"""Rules for the catalogue: the least content of a card, the time for moderation, the validity of offers."""

from __future__ import annotations

from catalogue.policy.bounds import Few, Months, Rules, WorkingDays


class CatalogueRules(Rules, frozen=True, kw_only=True):
    fewest_attributes: Few = 4
    """The least number of attributes of a SKU, so that buyers can distinguish it from others."""
    moderation_days: WorkingDays = 5
    """Working days in which a moderator decides about a SKU."""
    offer_months: Months = 3
    """The longest validity of an offer, in months."""


USUAL = CatalogueRules()
"""The rules that apply if a policy has none of its own."""
