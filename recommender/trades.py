"""A trade is the first one or two characters of a category code. Trades find the suppliers that an opening may concern,
so that not all suppliers need to be compared with it.

Two categories fit if at least half of the shorter code agrees (`reasons.CLOSE`). So a code of three characters or more
can only fit codes with the same first two characters, and a shorter code those with the same first character.
"""

from __future__ import annotations

from recommender.features import category_path

BROAD = 2
"""A code of at most this many characters is so broad that it fits all codes with the same first character."""


def trades(category: str) -> tuple[str, ...]:
    """The trades under which a supplier that works in the category is stored."""
    path = category_path(category)
    return (*path[:2], *((_broad(path),) if 0 < len(path) <= BROAD else ()))


def concerned(category: str) -> tuple[str, ...]:
    """The trades whose suppliers an opening in the category can fit; none if it has no category."""
    path = category_path(category)
    return (path[1], _broad(path)) if len(path) > BROAD else path[:1]


def _broad(path: tuple[str, ...]) -> str:
    """The trade of suppliers with a broad code, separate from all others with the same first character."""
    return f"{path[0]}!"
