"""Trades: the beginnings of category codes by which those are found whom an opening can concern, without asking everybody.

Two categories fit when at least half of the shorter code agrees (`reasons.CLOSE`). So of a code of three letters or more its first
two say whom it can fit, and of a broader one its first.
"""

from __future__ import annotations

from recommender.features import category_path

BROAD = 2
"""Letters of a code that says so little that it fits all with its first letter."""


def trades(category: str) -> tuple[str, ...]:
    """Under which a supplier that works in the category is kept."""
    path = category_path(category)
    return (*path[:2], *((_broad(path),) if 0 < len(path) <= BROAD else ()))


def concerned(category: str) -> tuple[str, ...]:
    """Whose suppliers an opening in the category can fit; none where it has no category."""
    path = category_path(category)
    return (path[1], _broad(path)) if len(path) > BROAD else path[:1]


def _broad(path: tuple[str, ...]) -> str:
    """Those with a broad code, apart from all others of its first letter."""
    return f"{path[0]}!"
