"""Why something is recommended: structured reasons, and the sentences that show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from recommender.features import Description, category_path, fold, shared_depth
from recommender.values import Opportunity, Reason, SupplierProfile

if TYPE_CHECKING:
    from recommender.history import History

SENTENCES = {
    "won_category": "You won {awards} contract(s) in category {category}",
    "won_for_buyer": "{buyer} bought from you {awards} time(s)",
    "won_in_region": "You won {awards} contract(s) in {region}",
    "declared_category": "You declared category {category}",
    "offers_category": "You offer goods in category {category}",
    "active_category": "You have been active in category {category} before",
    "similar_suppliers": "{suppliers} supplier(s) that won in your categories also won in category {category}",
    "in_your_region": "It is in your region, {region}",
}
"""The English sentence for each reason code; translations use the same codes and values."""

DECLARED, OFFERED, ACTIVE, SIMILAR, REGION = 0.30, 0.25, 0.15, 0.10, 0.01
"""The highest probability of a fit that each fact of a profile adds. For new suppliers a declared category is worth far
more than the place: `evaluation.evaluate_new_suppliers` measures what each finds without the others."""
CLOSE = 0.5
"""Two categories are close if at least this part of the shorter code agrees."""


def sentence(reason: Reason) -> str:
    """The sentence of a reason. "(s)" in the pattern becomes "s" unless the count is 1."""
    text = SENTENCES[reason.code].format(**reason.values)
    return text.replace("(s)", "" if 1 in reason.values.values() else "s")


def from_history(
    history: History, supplier: str, opportunity: Opportunity, at: Description
) -> list[tuple[float, Reason]]:
    """Reasons from the supplier's own past awards, each with the probability that it adds to the ranker's score.

    Own contracts add nothing, because the ranker has counted them; awards of similar suppliers do.
    """
    index = history.index.get(supplier)
    if index is None:
        return []
    found: list[tuple[float, Reason]] = []
    branch = next((level for level in reversed(at.path) if index in history.category_wins.get(level, ())), "")
    if branch and len(branch) >= CLOSE * len(at.category):
        awards = history.category_wins[branch][index]
        found.append((0.0, Reason("won_category", {"category": branch, "awards": awards})))
    past = history.record[index]
    for_buyer = sum(1 for award in past if at.buyer and history.descriptions[award].buyer == at.buyer)
    if for_buyer:
        found.append((0.0, Reason("won_for_buyer", {"buyer": opportunity.buyer, "awards": for_buyer})))
    if branch != at.category and at.category:
        company = _similar_suppliers(history, index)
        also = sum(1 for other in history.category_wins.get(at.category, ()) if other in company)
        if also:
            chance = SIMILAR * also / len(company)
            found.append((chance, Reason("similar_suppliers", {"category": at.category, "suppliers": also})))
    in_region = sum(1 for award in past if at.region and history.descriptions[award].region == at.region)
    if found and in_region:
        found.append((0.0, Reason("won_in_region", {"region": opportunity.region, "awards": in_region})))
    return found


def from_profile(profile: SupplierProfile, opportunity: Opportunity, at: Description) -> list[tuple[float, Reason]]:
    """Reasons from what the supplier declared about itself, each with the probability that it adds."""
    found: list[tuple[float, Reason]] = []
    for code, worth, categories in (
        ("declared_category", DECLARED, profile.declared),
        ("offers_category", OFFERED, profile.offered),
    ):
        depth, category = _closest(categories, at.path)
        if depth >= CLOSE:
            found.append((worth * depth**2, Reason(code, {"category": category})))
    if at.region and fold(profile.region) == at.region:
        found.append((REGION, Reason("in_your_region", {"region": opportunity.region})))
    return found


def from_activity(
    profile: SupplierProfile, found: Iterable[tuple[float, Reason]], at: Description
) -> list[tuple[float, Reason]]:
    """Reasons from what the supplier did, such as bids that did not win; only if no other reason is about the
    category."""
    if any("category" in reason.values for _, reason in found):
        return []
    depth, category = _closest(profile.active, at.path)
    return [(ACTIVE * depth**2, Reason("active_category", {"category": category}))] if depth >= CLOSE else []


def _closest(categories: Iterable[str], path: tuple[str, ...]) -> tuple[float, str]:
    return max(((shared_depth(category_path(category), path), category) for category in categories), default=(0.0, ""))


def _similar_suppliers(history: History, supplier: int) -> set[int]:
    """Indices of all other suppliers that won in a category in which this supplier won."""
    categories = {history.descriptions[award].category for award in history.record[supplier]} - {""}
    return {other for category in categories for other in history.category_wins[category]} - {supplier}
