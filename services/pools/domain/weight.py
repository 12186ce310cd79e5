"""How much a pool can say: what its events will weigh at most, so that it takes in no demand that it could not share out later.

An event that follows from others has 12 MB at most, one that a request causes 500 kB (:mod:`infra.outgoing`). An event above that is
never told: the result would stay with the auction, and nobody would get a contract. So pools look ahead where they still can refuse.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from catalogue.rules import RuleBroken
from events.pools import Allocation, PoolMemberEnrolled
from events.values import Line

NUMBER = 90
"""Bytes of a number in JSON, at most: 21 digits, 60 decimals (:data:`events.bounds.Exact`), sign, point, quotes, and a few to spare."""
MOST_OF_LINES = 300_000
"""Bytes of all lines with the numbers that come to them. They go whole into the events of a pool that a request causes (the terms,
the frozen demand, the request for a mini-auction). The other 200 kB are for the rest of such an event: a policy of 20,000 characters,
which is up to six bytes each where all are escaped, names, titles and places."""
MOST_OF_SHARES = 6_000_000
"""Bytes of all allocations. This is half of the 12 MB of PoolAllocated: it leaves a margin of two for the rest of the event, for
lines that the auction tells with more than the pool did, and for fields that a later release adds."""


class LinesTooLong(RuleBroken):
    """The terms say more about the lines than the later events of the pool can hold."""

    code = "lines-too-long"


class TooMuchToShareOut(RuleBroken):
    """With this demand the result could not be told in one event."""

    code = "too-much-to-share-out"


def check_lines(lines: Iterable[Line]) -> None:
    """Raises LinesTooLong."""
    size = sum(map(_of_line, lines))
    if size > MOST_OF_LINES:
        raise LinesTooLong(
            f"The lines take up to {size} bytes, and at most {MOST_OF_LINES} are possible. Open a pool of fewer lines.",
            field="lines",
            size=size,
            most=MOST_OF_LINES,
        )


def check_shares(
    lines: Iterable[Line], before: Mapping[str, PoolMemberEnrolled], after: Mapping[str, PoolMemberEnrolled]
) -> None:
    """``before`` and ``after`` are the members by id. Raises TooMuchToShareOut if ``after`` is too much, unless it is no more than
    there was ``before``: a pool that the former release filled can shrink."""
    of_lines = {line.line_id: _of_line(line) for line in lines}
    size = _of_shares(of_lines, after.values())
    if size > MOST_OF_SHARES and size > _of_shares(of_lines, before.values()):
        raise TooMuchToShareOut(
            f"Shared out among {len(after)} members the result takes up to {size} bytes, and at most {MOST_OF_SHARES} are possible."
            " Enrol for fewer lines, or in another pool.",
            field="demands",
            members=len(after),
            shares=sum(len(member.demands) for member in after.values()),
            size=size,
            most=MOST_OF_SHARES,
        )


def _of_line(line: Line) -> int:
    """With quantity, price and amount, and a comma."""
    return len(msgspec.json.encode(line)) + 3 * NUMBER + 1


def _of_shares(of_lines: Mapping[str, int], members: Iterable[PoolMemberEnrolled]) -> int:
    return sum(_of_member(member) + sum(of_lines[demand.line_id] for demand in member.demands) for member in members)


def _of_member(member: PoolMemberEnrolled) -> int:
    """An allocation without its lines: amount, reference and saving, and a comma."""
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
