"""The terms of a pool, all fixed before enrolment opens."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Context, Decimal

import msgspec

from catalogue.calendar import RegionCalendar
from catalogue.money import round_down
from catalogue.openings import CeilingExceeded, require_terms, require_under_references
from catalogue.places import UnknownRegion, is_area
from catalogue.policy import Policy, PoolRules, text_of
from catalogue.references import ReferencePrice
from catalogue.rules import LineIdRepeated, LinesMissing, RuleBroken, Several, Typed
from catalogue.units import PackNotPositive
from events.pools import PoolOpened
from events.values import Category, Line
from services.pools.domain.pool import BelowMinimum
from services.pools.domain.weight import check_lines

_EXACT = Context(prec=60)


class TooManyPoolsOpen(RuleBroken):
    code = "too-many-pools-open"


class PoolWithoutLines(LinesMissing):
    def __init__(self) -> None:
        super().__init__("A pool needs at least one line.", field="lines")


class LineNotPriced(RuleBroken):
    """A line needs an initial unit price above zero."""

    code = "line-not-priced"


class MinimumNotPositive(RuleBroken):
    code = "minimum-not-positive"


class EnrolmentTooShort(RuleBroken):
    code = "enrolment-too-short"


class UnknownSavingsRule(RuleBroken):
    code = "unknown-savings-rule"


class UnknownChoiceBelowMinimum(RuleBroken):
    code = "unknown-choice-below-minimum"


class OpenPool(msgspec.Struct, frozen=True, kw_only=True):
    """``lines`` have no quantities; ``unit_price`` is the initial price of one pack. If ``regions`` is empty, goods are
    delivered anywhere."""

    pool_id: str
    lead_id: str
    lead_name: str
    title: str
    kind: str
    category: Category
    currency: str
    regions: tuple[str, ...]
    lines: tuple[Line, ...]
    minimum_quantity: Decimal
    enrolment_ends_at: datetime
    below_minimum: str
    savings_rule: str = "equal"
    duration_minutes: int


def open_pool(
    command: OpenPool,
    *,
    policy: Policy,
    calendar: RegionCalendar,
    references: Mapping[str, ReferencePrice],
    now: datetime,
) -> list[PoolOpened]:
    """Return the event that opens the pool. Raise the first rule that is broken. The caller has checked that the lead
    is an active buyer. ``references`` are by line id, for lines that have a published one at the lead's place.

    The terms are those of the mini-auction for which the pool will ask, and are checked by the same rules
    (:mod:`catalogue.openings`). When it opens, its prices are checked again, because the demand grows and references
    change; its step and its hours are checked only then."""
    if not command.lines:
        raise PoolWithoutLines
    if len({line.line_id for line in command.lines}) < len(command.lines):
        raise LineIdRepeated("Every line needs its own id.", field="lines")
    require_terms(command, policy)
    for line in command.lines:
        if line.pack_size <= 0:
            raise PackNotPositive(
                f"{line.description!r} needs a pack size above zero, not {line.pack_size}.",
                field="lines",
                line=line.line_id,
                pack_size=line.pack_size,
                description=line.description,
            )
        if line.unit_price is None or line.unit_price <= 0:
            raise LineNotPriced(
                f"{line.description!r} needs an initial price above zero.",
                field="lines",
                line=line.line_id,
                unit_price=line.unit_price,
                description=line.description,
            )
    for region in command.regions:
        if not is_area(region):
            raise UnknownRegion(
                f"{region!r} is not a country or top-level region (ISO 3166-2).",
                field="regions",
                region=Typed(region),
            )
    if command.minimum_quantity <= 0:
        raise MinimumNotPositive(
            f"The minimum quantity must be above zero, not {command.minimum_quantity}.",
            field="minimum_quantity",
            minimum_quantity=command.minimum_quantity,
        )
    require_under_references(command.lines, references, policy)
    _require_minimum_under_ceiling(command, policy)
    if command.below_minimum not in list(BelowMinimum):
        choices = Several(map(str, BelowMinimum))
        raise UnknownChoiceBelowMinimum(
            f"Below the minimum a pool can {choices}, not {command.below_minimum!r}.",
            field="below_minimum",
            choices=choices,
            chosen=command.below_minimum,
        )
    if command.savings_rule != "equal":
        raise UnknownSavingsRule(
            f"Savings are divided by equal unit price, not by {command.savings_rule!r}.",
            field="savings_rule",
            rule=command.savings_rule,
        )
    check_end(command.enrolment_ends_at, policy=policy, calendar=calendar, now=now)
    lines = tuple(msgspec.structs.replace(line, quantity=None, amount=None) for line in command.lines)
    check_lines(lines)
    terms = msgspec.structs.asdict(command) | {"lines": lines, "policy": policy.name, "policy_text": text_of(policy)}
    return [PoolOpened(**terms)]


def _require_minimum_under_ceiling(command: OpenPool, policy: Policy) -> None:
    """Raise CeilingExceeded if no demand that reaches the minimum may begin at these prices, because even the minimum of
    the cheapest line alone costs more than the ceiling."""
    ceiling = policy.auction.ceilings.get(command.kind)
    prices = (_EXACT.divide(line.unit_price or Decimal(0), line.pack_size) for line in command.lines)
    least = round_down(_EXACT.multiply(command.minimum_quantity, min(prices)), policy.currency)
    if ceiling is not None and least > ceiling:
        raise CeilingExceeded(
            f"The minimum quantity costs at least {least:,f} {policy.currency} at these prices; a mini-auction for"
            f" {command.kind} may begin at most at {ceiling:,f} {policy.currency}. Lower the quantity or the prices.",
            field="minimum_quantity",
            least=least,
            ceiling=ceiling,
            kind=command.kind,
            currency=policy.currency,
        )


def check_end(ends_at: datetime, *, policy: Policy, calendar: RegionCalendar, now: datetime) -> None:
    """Raise EnrolmentTooShort if enrolment would end too early."""
    if ends_at <= now:
        raise EnrolmentTooShort(
            f"Enrolment must end in the future; it is now {now:%Y-%m-%d %H:%M} UTC.",
            field="enrolment_ends_at",
            enrolment_ends_at=ends_at,
            now=now,
        )
    days = policy.pool.min_enrolment_days
    earliest = policy.due(now, days, calendar) if days else now
    if ends_at < earliest:
        raise EnrolmentTooShort(
            f"Enrolment must not end earlier than {earliest:%Y-%m-%d %H:%M} UTC ({days} working days).",
            field="enrolment_ends_at",
            enrolment_ends_at=ends_at,
            earliest=earliest,
            days=days,
        )


def check_open(number: int, rules: PoolRules) -> None:
    """Raise TooManyPoolsOpen if a buyer that leads so many open pools may not open another."""
    if number >= rules.open_in_all:
        raise TooManyPoolsOpen(
            f"A buyer may lead at most {rules.open_in_all} open pools. Open this one when others are closed or cancelled.",
            most=rules.open_in_all,
        )
