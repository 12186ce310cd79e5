"""The frozen demand goes to a mini-auction, its result is divided with each member's saving, and the contracts end the
pool."""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal

import msgspec

from catalogue.money import Money, round_money, split
from catalogue.rules import RuleBroken, UnknownLine, require_repeat
from events.auctions import AuctionClosed
from events.codec import Event
from events.pools import (
    Allocation,
    PoolAllocated,
    PoolClosed,
    PoolMemberEnrolled,
    PoolSourcingFailed,
    PoolSourcingRequested,
)
from events.values import Line, Place, Refusal
from services.pools.domain.allocation import Want, allocate
from services.pools.domain.pool import Pool, PoolStage, cancelled

_EXACT = Context(prec=60)


class NothingToAllocate(RuleBroken):
    """The result is too small for a single pack."""

    code = "nothing-to-allocate"


class NobodyBid(RuleBroken):
    code = "nobody-bid"


class InitialPriceRaised(RuleBroken):
    """Members enrolled under the prices in the terms. These may only be lowered, to a reference price that was
    published later."""

    code = "initial-price-raised"


class RequestSourcing(msgspec.Struct, frozen=True, kw_only=True):
    """``place`` is the place of the whole demand. ``duration_minutes`` None means the duration in the terms.
    ``unit_prices`` lowers the initial price of a pack, by line id."""

    by: str
    place: Place
    step_percent: Decimal
    duration_minutes: int | None = None
    unit_prices: Mapping[str, Decimal] = {}


class RecordSourcingRefused(msgspec.Struct, frozen=True, kw_only=True):
    """Auctions refused to open the auction. The lead may ask again with other values."""

    refusal: Refusal


class RecordResult(msgspec.Struct, frozen=True, kw_only=True):
    """``alone`` is the price of one pack that a member would pay without the pool, by (member id, line id): the observatory's
    reference for its quantity and place. If it is missing, the line's initial price counts."""

    closed: AuctionClosed
    alone: Mapping[tuple[str, str], Decimal] = {}


class CloseContracting(msgspec.Struct, frozen=True, kw_only=True):
    """``concluded`` says by member id whether its contract was signed, for members whose last contract has ended."""

    concluded: Mapping[str, bool]


def request(pool: Pool, command: RequestSourcing) -> Sequence[Event]:
    pool.require_lead(command.by)
    opened = pool.opened
    for line_id in sorted(command.unit_prices.keys() - {line.line_id for line in opened.lines}):
        raise UnknownLine(f"The pool has no line {line_id!r}.", field="unit_prices", line=line_id)
    if pool.stage is PoolStage.SOURCING:
        asked = pool.sourcing
        assert asked is not None, "it was asked for"
        require_repeat(_asked_alike(pool, asked, command), _told(asked))
        return []
    pool.require(PoolStage.FROZEN)
    return [
        PoolSourcingRequested(
            pool_id=opened.pool_id,
            lead_id=opened.lead_id,
            lead_name=opened.lead_name,
            title=opened.title,
            kind=opened.kind,
            category=opened.category,
            place=command.place,
            currency=opened.currency,
            lines=_lowered(pool.demand, command.unit_prices),
            policy=opened.policy,
            policy_text=opened.policy_text,
            duration_minutes=command.duration_minutes or opened.duration_minutes,
            step_percent=command.step_percent,
            attempt=pool.attempts + 1,
        )
    ]


def _asked_alike(pool: Pool, asked: PoolSourcingRequested, command: RequestSourcing) -> bool:
    fixed = {line.line_id: line.unit_price for line in pool.opened.lines}
    wanted = (command.step_percent, command.duration_minutes or pool.opened.duration_minutes)
    return wanted == (asked.step_percent, asked.duration_minutes) and all(
        command.unit_prices.get(line.line_id, fixed[line.line_id]) == line.unit_price for line in asked.lines
    )


def _told(asked: PoolSourcingRequested) -> str:
    prices = "; ".join(f"{line.description}: {line.unit_price}" for line in asked.lines)
    return f"{asked.duration_minutes} min, {asked.step_percent} %; {prices}"


def record_refused(pool: Pool, command: RecordSourcingRefused) -> Sequence[Event]:
    """Return the events of a refused sourcing, after which the demand is frozen again."""
    if pool.stage is not PoolStage.SOURCING:
        return []
    return [PoolSourcingFailed(pool_id=pool.opened.pool_id, refusal=command.refusal)]


def record_result(pool: Pool, command: RecordResult) -> Sequence[Event]:
    """Return the events of the result. A successful result is divided. After an unsuccessful one the demand is frozen
    again, and the lead may ask once more or cancel."""
    if pool.stage is not PoolStage.SOURCING:
        return []
    closed = command.closed
    if closed.winner_id is None:
        nobody = NobodyBid("The mini-auction ended without a bid.", bids=closed.bids)
        return [PoolSourcingFailed(pool_id=pool.opened.pool_id, refusal=Refusal.of(nobody))]
    by_member: dict[str, list[Line]] = {}
    wants = pool.wants
    for line in closed.lines:
        for member_id, part in _share(line, wants.get(line.line_id, []), pool.opened.currency).items():
            by_member.setdefault(member_id, []).append(part)
    allocations = tuple(
        _allocation(pool, pool.members[member_id], parts, command.alone)
        for member_id, parts in sorted(by_member.items())
    )
    if not allocations:
        return [cancelled(pool, NothingToAllocate("The result fills no pack of any member."))]
    return [
        PoolAllocated(
            pool_id=pool.opened.pool_id,
            auction_id=closed.auction_id,
            lead_id=pool.opened.lead_id,
            title=pool.opened.title,
            kind=pool.opened.kind,
            category=pool.opened.category,
            currency=pool.opened.currency,
            supplier_id=closed.winner_id,
            amount=sum((each.amount for each in allocations), Decimal(0)),
            standalone=sum((each.standalone for each in allocations), Decimal(0)),
            saving=sum((each.saving for each in allocations), Decimal(0)),
            allocations=allocations,
            policy_text=pool.opened.policy_text,
        )
    ]


def close(pool: Pool, command: CloseContracting) -> Sequence[Event]:
    """Return the event of the close, once every member's contract has ended. A member that did not sign does not delay
    the others."""
    if pool.stage is not PoolStage.CONTRACTING or pool.allocated is None:
        return []
    outcomes = [command.concluded.get(each.member_id) for each in pool.allocated.allocations]
    if None in outcomes:
        return []
    return [PoolClosed(pool_id=pool.opened.pool_id, contracts=len(outcomes), concluded=outcomes.count(True))]


def _lowered(lines: Sequence[Line], prices: Mapping[str, Decimal]) -> tuple[Line, ...]:
    for line in lines:
        price, fixed = prices.get(line.line_id), line.unit_price
        if price is not None and fixed is not None and not (price.is_finite() and 0 < price <= fixed):
            raise InitialPriceRaised(
                f"{line.description!r} must begin above zero and at most at {fixed}, according to the terms; not at {price}.",
                field="unit_prices",
                line=line.line_id,
                price=price,
                fixed=fixed,
                description=line.description,
            )
    return tuple(msgspec.structs.replace(line, unit_price=prices.get(line.line_id, line.unit_price)) for line in lines)


def _share(line: Line, wants: Sequence[Want], currency: str) -> dict[str, Line]:
    """Return one line of the result by member, at the same unit price. The amounts sum up exactly to the line's amount.

    After a default less is bought than was bid for: the line's amount falls in proportion and is rounded once.
    """
    if not line.quantity or line.amount is None:
        return {}
    units = allocate(wants, pack=line.pack_size, supply=line.quantity * line.pack_size)
    packs = {member_id: share / line.pack_size for member_id, share in units.items() if share}
    bought = sum(packs.values(), Decimal(0))
    if not bought:
        return {}
    due = round_money(_EXACT.divide(_EXACT.multiply(line.amount, bought), line.quantity), currency)
    amounts = split(Money(due, currency), packs)
    return {
        member_id: msgspec.structs.replace(line, quantity=packs[member_id], amount=amounts[member_id].amount)
        for member_id in packs
    }


def _allocation(
    pool: Pool, member: PoolMemberEnrolled, parts: Sequence[Line], alone: Mapping[tuple[str, str], Decimal]
) -> Allocation:
    """Return the member's allocation. All members pay the same unit price. A member's saving is what its quantity would
    have cost without the pool, less what it pays. It is negative for a member that already buys below the common price."""
    initial = {line.line_id: line.unit_price or Decimal(0) for line in pool.opened.lines}
    amount = standalone = Decimal(0)
    for part in parts:
        price = alone.get((member.member_id, part.line_id), initial[part.line_id])
        standalone += round_money((part.quantity or Decimal(0)) * price, pool.opened.currency)
        amount += part.amount or Decimal(0)
    return Allocation(
        member_id=member.member_id,
        member_name=member.member_name,
        place=member.place,
        lines=tuple(parts),
        amount=amount,
        standalone=standalone,
        saving=standalone - amount,
    )
