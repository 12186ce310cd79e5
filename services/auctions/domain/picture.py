"""The price as a staircase: one tread a bid, for a chart that needs no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

WIDTH, HEIGHT = 1000, 220
LEFT, RIGHT, TOP, BOTTOM = 6, 10, 10, 6


@dataclass(frozen=True, slots=True)
class Staircase:
    """Coordinates for an SVG of ``WIDTH`` x ``HEIGHT``: the ``line``, the ``area`` under it, and the point of the last bid."""

    line: str
    area: str
    last_x: int
    last_y: int


def staircase(initial: Decimal, amounts: Sequence[Decimal]) -> Staircase:
    """``amounts`` are accepted bids in sequence. The lowest price stands above the bottom, so that a small fall looks small
    only beside a large one."""
    low = min(amounts, default=initial)
    fall = initial - low
    treads = len(amounts) + 1
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(tread: int) -> int:
        return LEFT + wide * tread // treads

    def y(amount: Decimal) -> int:
        return TOP + (int((initial - amount) * high * 9 / (fall * 10)) if fall else 0)

    steps = [f"M{x(0)},{y(initial)}", f"H{x(1)}"]
    for tread, amount in enumerate(amounts, start=1):
        steps += [f"V{y(amount)}", f"H{x(tread + 1)}"]
    line = " ".join(steps)
    last = y(amounts[-1] if amounts else initial)
    return Staircase(line, f"{line} V{HEIGHT - BOTTOM} H{LEFT} Z", x(treads), last)
