"""The size that the events of a pool may reach. A pool accepts no demand whose result it could not publish later.

An event that follows from other events may have 12 MB, one that a request causes 500 kB (:mod:`infra.outgoing`). A
larger event is never published: then the auction would have a result, and nobody would get a contract. So a pool checks
the size while it can still refuse.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from catalogue.rules import RuleBroken
from events.pools import Allocation, PoolMemberEnrolled
from events.values import Line

NUMBER = 90
"""The most bytes of a number in JSON: 21 digits, 60 decimals (:data:`events.bounds.Exact`), sign, point, quotes, and
some reserve."""
MOST_OF_LINES = 300_000
"""The most bytes of all lines with their later numbers. The lines are part of the pool's events that a request causes
(the terms, the frozen demand, the request for a mini-auction). The other 200 kB are for the rest of such an event: a
policy of 20,000 characters of up to six bytes each if all are escaped, names, titles and places."""
MOST_OF_SHARES = 6_000_000
"""The most bytes of all allocations. This is half of the 12 MB of PoolAllocated. The other half is for the rest of the
event, for lines to which the auction adds text, and for fields that a later release adds."""


class LinesTooLong(RuleBroken):
    """The terms have more text about the lines than the later events of the pool can hold."""

    code = "lines-too-long"


class TooMuchToShareOut(RuleBroken):
    """With this demand the result would not fit into one event."""

    code = "too-much-to-share-out"


def check_lines(lines: Iterable[Line]) -> None:
    """Raise LinesTooLong if the lines are too long."""
    size = sum(map(_of_line, lines))
    if size > MOST_OF_LINES:
        raise LinesTooLong(
            f"The lines take up to {size} bytes, and at most {MOST_OF_LINES} are possible. Open a pool with fewer lines.",
            field="lines",
            size=size,
            most=MOST_OF_LINES,
        )


def check_shares(
    lines: Iterable[Line], before: Mapping[str, PoolMemberEnrolled], after: Mapping[str, PoolMemberEnrolled]
) -> None:
    """Raise TooMuchToShareOut if the result would be too large for the members in ``after``, unless it needs no more
    than for those in ``before``: so a pool that the former release filled can still shrink. Both are by member id."""
    of_lines = {line.line_id: _of_line(line) for line in lines}
    size = _of_shares(of_lines, after.values())
    if size > MOST_OF_SHARES and size > _of_shares(of_lines, before.values()):
        raise TooMuchToShareOut(
            f"Divided among {len(after)} members, the result takes up to {size} bytes, and at most {MOST_OF_SHARES} are possible."
            " Enrol for fewer lines, or in another pool.",
            field="demands",
            members=len(after),
            shares=sum(len(member.demands) for member in after.values()),
            size=size,
            most=MOST_OF_SHARES,
        )


def _of_line(line: Line) -> int:
    """Return the bytes of the line with quantity, price and amount, and a comma."""
    return len(msgspec.json.encode(line)) + 3 * NUMBER + 1


def _of_shares(of_lines: Mapping[str, int], members: Iterable[PoolMemberEnrolled]) -> int:
    return sum(_of_member(member) + sum(of_lines[demand.line_id] for demand in member.demands) for member in members)


def _of_member(member: PoolMemberEnrolled) -> int:
    """Return the bytes of an allocation without its lines: with amount, reference and saving, and a comma."""
    zero = Decimal(0)
    bare = Allocation(
        member_id=member.member_id,
        member_name=member.member_name,
        place=member.place,
        lines=(),
        amount=zero,
        standalone=zero,
        saving=zero,
    )
    return len(msgspec.json.encode(bare)) + 3 * NUMBER + 1
