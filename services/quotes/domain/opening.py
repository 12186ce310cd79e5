"""Whether a buyer may ask for quotes, and until when."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from catalogue.calendar import RegionCalendar
from catalogue.categories import require_one_group
from catalogue.policy import Policy, QuoteRules, text_of
from catalogue.rules import (
    BuyerNotActive,
    LineNotComplete,
    LineQuantityNotPositive,
    LinesMissing,
    Minutes,
    QuantityAbsurd,
    QuantityTooFine,
    RuleBroken,
    Several,
    TitleMissing,
    UnknownKind,
)
from events.bounds import Name, Reason
from events.quotes import QuoteRequestOpened
from events.values import Category, Line, Place
from services.quotes.domain.request import Request, within

MOST_LINES = 100
_ABSURD = Decimal(10**12)  # a bound that keeps the arithmetic exact
_FINEST = 6


class NoQuickQuotes(RuleBroken):
    """The policy has no quick quotes."""

    code = "no-quick-quotes"


class TooManyRequestsOpen(RuleBroken):
    code = "too-many-requests-open"


class RequestWithoutLines(LinesMissing):
    def __init__(self) -> None:
        super().__init__("A request needs at least one line.", field="lines")


class TooManyLines(RuleBroken):
    code = "too-many-lines"


class DeadlineInThePast(RuleBroken):
    code = "deadline-in-the-past"


class DeadlineTooSoon(RuleBroken):
    code = "deadline-too-soon"


class DeadlineTooFar(RuleBroken):
    code = "deadline-too-far"


class DeadlineWithoutZone(RuleBroken):
    code = "deadline-without-zone"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """``standing`` is the state of the buyer's organisation. ``lines`` have no prices. The category of the first line
    is the category of the request."""

    request_id: str
    buyer_id: str
    buyer_name: str
    title: str
    kind: str
    place: Place
    lines: tuple[Line, ...]
    requirements: str
    closes_at: datetime
    standing: str = "active"


def open_request(
    command: OpenRequest, *, policy: Policy, calendar: RegionCalendar, now: datetime
) -> tuple[Request, QuoteRequestOpened]:
    """Return the opened request and its event. ``calendar`` is the buyer's. A deadline on a day off moves to the same
    hour of the next working day.

    Raise the first rule that is broken (a class of this module, or NotOneFunctionalGroup).
    """
    rules = _rules(policy)
    if command.standing != "active":
        raise BuyerNotActive(
            f"Only an active buyer can ask for quotes; this one is {command.standing}.", standing=command.standing
        )
    title = within(command.title, "title", Name)
    if not title:
        raise TitleMissing("A request needs a title.", field="title")
    requirements = within(command.requirements, "requirements", Reason)
    if command.kind not in policy.kinds():
        kinds = Several(policy.kinds())
        raise UnknownKind(
            f"A request is for {kinds}, not {command.kind!r}.", field="kind", kind=command.kind, kinds=kinds
        )
    opened = QuoteRequestOpened(
        request_id=command.request_id,
        buyer_id=command.buyer_id,
        buyer_name=command.buyer_name,
        title=title,
        kind=command.kind,
        category=_group(command.lines),
        place=command.place,
        currency=policy.currency,
        lines=command.lines,
        requirements=requirements,
        policy=policy.name,
        policy_text=text_of(policy),
        opened_at=now,
        closes_at=(closes_at := _deadline(command.closes_at, policy, calendar, now)),
        choose_by=policy.due(closes_at, rules.choose_days, calendar),
    )
    return Request(opened=opened, rules=rules), opened


def _rules(policy: Policy) -> QuoteRules:
    if policy.quote is None:
        raise NoQuickQuotes(f"{policy.title} has no quick quotes.", policy=policy.name, title=policy.title)
    return policy.quote


def _group(lines: tuple[Line, ...]) -> Category:
    if not lines:
        raise RequestWithoutLines
    if len(lines) > MOST_LINES:
        raise TooManyLines(
            f"A request may have at most {MOST_LINES} lines; these are {len(lines)}.",
            field="lines",
            most=MOST_LINES,
            lines=len(lines),
        )
    categories = []
    for line in lines:
        quantity = line.quantity
        if not line.description.strip() or line.category is None or quantity is None:
            raise LineNotComplete(
                f"Line {line.line_id} needs a description, a category and a quantity.", field="lines", line=line.line_id
            )
        _possible(line.line_id, quantity)
        categories.append(line.category)
    require_one_group((category.scheme, category.code) for category in categories)
    return categories[0]


def _possible(line: str, quantity: Decimal) -> None:
    if quantity.is_nan() or quantity <= 0:
        raise LineQuantityNotPositive(f"The quantity of line {line} must be above zero.", field="lines", line=line)
    if quantity >= _ABSURD:
        raise QuantityAbsurd(
            f"The quantity of line {line} must be below {_ABSURD:,f}, not {quantity}.",
            field="lines",
            line=line,
            quantity=quantity,
            below=_ABSURD,
        )
    exponent = quantity.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_FINEST:
        raise QuantityTooFine(
            f"The quantity of line {line} may have at most {_FINEST} decimals, not {-exponent}.",
            field="lines",
            line=line,
            quantity=quantity,
            decimals=_FINEST,
            given_decimals=-exponent,
        )


def _deadline(asked: datetime, policy: Policy, calendar: RegionCalendar, now: datetime) -> datetime:
    rules = policy.quote
    assert rules is not None
    if asked.tzinfo is None:
        raise DeadlineWithoutZone("The deadline needs a time zone.", field="closes_at")
    if asked <= now:
        raise DeadlineInThePast(
            f"This deadline is in the past. Suppliers must have at least {Minutes(rules.min_minutes)}.",
            field="closes_at",
            min_minutes=rules.min_minutes,
        )
    if asked < now + timedelta(minutes=rules.min_minutes):
        left = int((asked - now).total_seconds() // 60)
        raise DeadlineTooSoon(
            f"Suppliers must have at least {Minutes(rules.min_minutes)}; this deadline leaves {Minutes(left)}.",
            field="closes_at",
            min_minutes=rules.min_minutes,
            left_minutes=left,
        )
    if asked > now + timedelta(days=rules.max_days):
        raise DeadlineTooFar(
            f"A request may be open for at most {rules.max_days} days.", field="closes_at", max_days=rules.max_days
        )
    return asked.astimezone(UTC) if policy.working_day_minutes is not None else calendar.roll(asked)


def check_open(number: int, policy: Policy) -> None:
    """Raise TooManyRequestsOpen if a buyer with so many undecided requests may not open another."""
    rules = _rules(policy)
    if number >= rules.open_in_all:
        raise TooManyRequestsOpen(
            f"A buyer may have at most {rules.open_in_all} undecided requests for quotes. Open this one when others are decided.",
            most=rules.open_in_all,
        )
