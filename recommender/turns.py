"""Limits how many items of one buyer a list shows at a time: the best come first, and the buyers take turns."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
MOST, OF = 3, 10
"""At most this many items of one buyer, among this many places."""


def in_turns(items: Sequence[T], buyer: Callable[[T], str], count: int, *, most: int = MOST, of: int = OF) -> list[T]:
    """The first ``count`` places of a list of ``items``, which are given best first.

    Each turn fills ``of`` places with the best items that are left, at most ``most`` of one buyer; the further items of
    a buyer follow in the next turn. If the items of a turn do not fill it, the next turn begins earlier, so nothing is
    left out while there is room. The items of one buyer keep their order.
    """
    listed: list[T] = []
    left = items
    while left and len(listed) < count:
        turn: list[T] = []
        taken: Counter[str] = Counter()
        later: list[T] = []
        for item in left:
            whose = buyer(item)
            if len(turn) < of and taken[whose] < most:
                taken[whose] += 1
                turn.append(item)
            else:
                later.append(item)
        listed += turn
        left = later
    return listed[:count]
