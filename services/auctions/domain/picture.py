"""The fall of the price as a picture without scripts: the lowest bid over time as a staircase with axes, and the same
in a few rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

WIDTH, HEIGHT = 1000, 300
EDGE = 8
"""The space at the top and the bottom, so that no line is cut off."""
MOST_TICKS = 5
MARGIN = 12
"""The picture shows a twelfth of the time between the first and the last bid before the first bid and after the last."""
_MINUTE = timedelta(minutes=1)
_DISTANCES = [timedelta(seconds=n) for n in (10, 20, 30)]
_DISTANCES += [_MINUTE * n for n in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200, 14_400, 43_200)]
"""The possible distances between two ticks of the time axis."""


@dataclass(frozen=True, slots=True)
class AxisTick:
    """``at`` is the position in percent of the picture, from the left or from the top."""

    at: float
    instant: datetime


@dataclass(frozen=True, slots=True)
class Level:
    at: float
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Descent:
    """Coordinates for an SVG of ``WIDTH`` x ``HEIGHT``. ``line`` is the lowest bid so far, ``area`` the area under it,
    ``bids`` a path with one dot for each bid. ``end`` is the height of the line's end in percent from the top,
    ``reach`` its position from the left. ``rows`` say in words what the line shows: (instant, lowest bid until then).
    ``clock`` is the strftime format in which the ticks differ."""

    line: str
    area: str
    bids: str
    end: float
    reach: float
    times: tuple[AxisTick, ...]
    levels: tuple[Level, ...]
    rows: tuple[tuple[datetime, Decimal], ...]
    clock: str


def descent(initial: Decimal, bids: Sequence[tuple[datetime, Decimal]], opens_at: datetime) -> Descent:
    """Return the picture. ``bids`` are (arrival, amount) of the accepted bids that were not deleted, in sequence. The picture covers
    the time from just before the first to just after the last of them, even if nobody bid for a long time before or after."""
    prices = [initial, *(amount for _, amount in bids)]
    low, high = min(prices), max(prices)
    arrivals = [instant for instant, _ in bids] or [opens_at]
    margin = max(max(arrivals) - min(arrivals), _MINUTE) / MARGIN
    begins, ends = max(opens_at, min(arrivals) - margin), max(arrivals) + margin
    ends = max(ends, begins + _MINUTE)
    whole = ends - begins

    def x(instant: datetime) -> int:
        return min(WIDTH, max(0, int(WIDTH * ((instant - begins) / whole))))

    def y(amount: Decimal) -> int:
        return EDGE + (int((high - amount) * (HEIGHT - 2 * EDGE) / (high - low)) if high > low else 0)

    price = initial
    steps, fallen = [f"M0,{y(initial)}"], [(begins, initial)]
    for instant, amount in bids:
        if amount < price:
            price = amount
            steps.append(f"H{x(instant)} V{y(amount)}")
            fallen.append((instant, amount))
    reach = x(bids[-1][0]) if bids else 0
    line = f"{' '.join(steps)} H{reach}"
    ticks = _ticks(begins, ends)
    levels = dict.fromkeys((initial, initial - (initial - low) / 2, low))
    return Descent(
        line=line,
        area=f"{line} V{HEIGHT} H0 Z",
        bids=" ".join(f"M{x(instant)},{y(amount)}h0" for instant, amount in bids),
        end=100 * y(price) / HEIGHT,
        reach=100 * reach / WIDTH,
        times=tuple(AxisTick(100 * x(instant) / WIDTH, instant) for instant in ticks),
        levels=tuple(Level(100 * y(amount) / HEIGHT, amount) for amount in levels),
        rows=tuple(_rows(fallen, ticks, arrivals[-1])),
        clock="%H:%M:%S" if whole < 6 * _MINUTE else "%H:%M" if begins.date() == ends.date() else "%d.%m. %H:%M",
    )


def _ticks(begins: datetime, ends: datetime) -> list[datetime]:
    """Return round instants of UTC, at most ``MOST_TICKS``, between the two."""
    distance = next((each for each in _DISTANCES if each * MOST_TICKS >= ends - begins), _DISTANCES[-1])
    zero = datetime(begins.year, 1, 1, tzinfo=UTC)
    first = zero + distance * -((zero - begins) // distance)
    found: list[datetime] = []
    while first <= ends and len(found) < MOST_TICKS + 1:
        found.append(first)
        first += distance
    return found


def _rows(
    fallen: list[tuple[datetime, Decimal]], ticks: list[datetime], last: datetime
) -> list[tuple[datetime, Decimal]]:
    """Return the lowest bid at the beginning, at each tick before the last bid, and at the last bid."""
    instants = [fallen[0][0], *(tick for tick in ticks if fallen[0][0] < tick < last), last]
    return [(instant, [amount for at, amount in fallen if at <= instant][-1]) for instant in dict.fromkeys(instants)]
