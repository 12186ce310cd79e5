"""Few of one buyer in a list: the best come first, and the buyers take turns."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")
MOST, OF = 3, 10
"""So many of one buyer, at most, among so many places."""


def in_turns(items: Sequence[T], buyer: Callable[[T], str], count: int, *, most: int = MOST, of: int = OF) -> list[T]:
    """The first ``count`` places of a list of ``items``, which come best first.

    Each turn fills ``of`` places with the best that are left, ``most`` of them of one buyer; who has more comes again in the next turn.
    Where the buyers of a turn have no more to fill it, the next turn begins earlier: nothing is left out while there is room, and what
    one buyer has stands in the order it came in.
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
