"""Counts that grow with each event: pure functions for the tables of a stream and for a notebook.

Keys and counts are plain text and numbers, so that they can be stored in a changelog topic. The order of events does
not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

from recommender.features import category_path

WEIGHTS: Mapping[str, int] = {"viewed": 1, "watched": 3, "bid": 5, "offered": 5, "won": 10}
"""The weight of an act for a supplier's interest in a category. Weights are integers, so that sums are the same in any
order."""


class UnknownAct(ValueError):
    """An act that has no weight."""

    code = "unknown-act"


def interest(act: str, category: str, weights: Mapping[str, int] = WEIGHTS) -> dict[str, int]:
    """What one act adds to a supplier's interest: its weight, for the category and for each branch above it."""
    if act not in weights:
        raise UnknownAct(f"no weight for the act {act!r}; known are {', '.join(sorted(weights))}")
    return {level: weights[act] for level in category_path(category)}


def add(counts: Mapping[str, int], increments: Mapping[str, int]) -> dict[str, int]:
    """The sum of both, as a new value (a table of a stream notices a change only by assignment)."""
    return {key: counts.get(key, 0) + increments.get(key, 0) for key in (*counts, *(set(increments) - set(counts)))}


def strongest(counts: Mapping[str, int], k: int) -> list[str]:
    """The k categories of greatest interest; among equals the more precise one comes first."""
    return sorted(counts, key=lambda category: (-counts[category], -len(category), category))[:k]


def co_purchase(items: Iterable[str]) -> dict[str, dict[str, int]]:
    """What one purchase adds to "bought together": for each item, 1 for each other item."""
    pairs: dict[str, dict[str, int]] = {}
    for one, other in combinations(sorted(set(items)), 2):
        pairs.setdefault(one, {})[other] = 1
        pairs.setdefault(other, {})[one] = 1
    return pairs
