"""Policies: the numbers a jurisdiction could want otherwise, as one frozen value loaded by name (DOMAIN, head).

A preset is ``policies/<name>.toml``; a market adds or overrides presets in a folder of its own. ``based_on`` names a shipped
preset of which the file changes only what it says: tables merge, everything else (lists too) is replaced, and ``without`` lists
what of the preset does not hold here, such as "auction.withdrawal.window". A policy is stored
with each auction, pool or purchase at its creation (msgspec encodes it), so a later edit never touches a running one.
"""

from __future__ import annotations

import re
import tomllib
from calendar import monthrange
from datetime import datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from catalogue.calendar import RegionCalendar
from catalogue.money import minor_units
from catalogue.rules import RuleBroken

_SHIPPED = Path(__file__).parent / "policies"
_own: Path | None = None
NAME = re.compile(r"[a-z][a-z0-9-]*")
"""Of a policy, and of its file."""
KINDS = frozenset({"goods", "works", "services"})
"""OCDS ``mainProcurementCategory``."""

TERMS = {
    "delivery-time": "Delivered by",
    "delivery-place": "Place of delivery",
    "acceptance": "Acceptance",
    "payment": "Payment",
    "requisites": "Requisites",
    "wording": "Wording",
}
"""What a draft of a contract says besides its lines, in words; delivery-time is a date."""

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]


class UnknownPolicy(RuleBroken):
    code = "unknown-policy"


class PolicyNotValid(RuleBroken):
    """The file is no TOML, or a field is missing, unknown, of the wrong type or out of bounds; the sentence says which."""

    code = "policy-not-valid"


class _Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Window(_Rules, frozen=True, kw_only=True):
    """Hours of the buyer's local day, both ends included."""

    first: time
    last: time

    def __post_init__(self) -> None:
        if self.first >= self.last:
            raise ValueError(f"the window {self.first}-{self.last} is empty")


class Duration(_Rules, frozen=True, kw_only=True):
    """A length a session may have: for which kinds, when in the day, up to which initial price (currency of the policy)."""

    minutes: Positive
    kinds: tuple[str, ...]
    runs_within: Window | None = None
    """The whole session lies in these hours of one day."""
    starts_within: Window | None = None
    max_initial_price: Decimal | None = None
    autobid_seconds: Positive | None = None
    """Between two automatic cuts of one session; None: there is no autobid."""


class Withdrawal(_Rules, frozen=True, kw_only=True):
    """When the buyer may withdraw a session, giving its reason."""

    minutes_before_end: Count
    window: Window | None = None
    """Hours of the buyer's working day; None: at any time."""


class Outage(_Rules, frozen=True, kw_only=True):
    """What a session gets back when nobody could bid."""

    after_seconds: Positive
    """A shorter silence is no outage."""
    margin_seconds: Count
    """A session that still runs is longer by the outage and this."""
    lost_end_seconds: Count
    """A session whose end fell into the outage goes on for the time it lost and this."""


class Restart(_Rules, frozen=True, kw_only=True):
    """Once, at the end, the session goes on when the second is this far from the first."""

    gap_percent: Decimal
    seconds: Positive


class Rounds(_Rules, frozen=True, kw_only=True):
    """Sealed first bids until the end of the duration, then rounds of turns, the worst bidder first."""

    turn_seconds: Positive
    pauses_seconds: tuple[Count, ...]
    """Before each round; there are as many rounds."""


class Equivalents(_Rules, frozen=True, kw_only=True):
    """An equivalent may stand in for this part of a position's quantity, in sessions of at least so many positions."""

    min_lines: Positive
    max_percent: Decimal


class AuctionRules(_Rules, frozen=True, kw_only=True):
    """``rounds`` None: everybody bids at any time, and the session is extended; else bidders take turns."""

    none_because: str = ""
    """Why this jurisdiction has no live auction; such a policy offers no duration."""
    ceilings: dict[str, Decimal]
    """Highest initial price by kind (goods, works, services); none named, none holds."""
    durations: tuple[Duration, ...]
    step_percents: tuple[Decimal, ...]
    """Percent of the initial price; the buyer picks one at opening."""
    whole_steps: bool = True
    """A cut is a whole number of steps; else it is at least one."""
    improve_on: Literal["price", "own"] = "price"
    """What a bid must undercut by a step: the session's price (whoever leads waits for a rival), or the bidder's own last bid;
    in continuous sessions a bid below the price must then also undercut that by a step."""
    floor_percent: Decimal
    """Percent of the initial price at which a session ends at once; 0: never."""
    extension_window_seconds: Count
    """An accepted bid with less than this left extends the session; 0: none does."""
    extension_seconds: Count
    """The end moves to this long after such a bid."""
    settle_seconds: Count
    """The close waits this long after the effective end for bids that arrived before it."""
    delete_seconds: Count = 0
    """So long after it a bidder may delete its own last bid, once a session; 0: never."""
    reference_grades: tuple[str, ...]
    """Grades of a reference price that bound the initial price."""
    scorings: tuple[str, ...] = ("price",)
    """What bids may be ranked on: price, quality, life-cycle."""
    withdrawal: Withdrawal = Withdrawal(minutes_before_end=0)
    outage: Outage = Outage(after_seconds=5, margin_seconds=60, lost_end_seconds=900)
    restart: Restart | None = None
    rounds: Rounds | None = None
    equivalents: Equivalents | None = None

    def __post_init__(self) -> None:
        if not self.step_percents or not all(0 < percent < 100 for percent in self.step_percents):
            raise ValueError("step_percents lie between 0 and 100, and there is at least one")
        if not 0 <= self.floor_percent < 100:
            raise ValueError("floor_percent lies between 0 and 100")
        if self.extension_seconds < self.extension_window_seconds:
            raise ValueError("extension_seconds below extension_window_seconds would bring the end nearer")
        if bool(self.durations) == bool(self.none_because):
            raise ValueError("there is at least one duration, or none_because says why there is no live auction")
        if not all(ceiling > 0 for ceiling in self.ceilings.values()):
            raise ValueError("every ceiling is above zero")
        named = {*self.ceilings, *self.kinds()}
        if unknown := named - KINDS:
            raise ValueError(f"there is no kind {sorted(unknown)}")
        if unknown := set(self.scorings) - {"price", "quality", "life-cycle"}:
            raise ValueError(f"unknown scorings: {sorted(unknown)}")
        paces = [duration.autobid_seconds for duration in self.durations if duration.autobid_seconds]
        if paces and (self.improve_on == "own" or max(paces) > self.extension_window_seconds):
            raise ValueError("autobid follows the session's price, with a pace no longer than extension_window_seconds")
        if self.delete_seconds and self.improve_on == "price":
            raise ValueError("only bids that improve on one's own can be deleted: delete_seconds wants improve_on own")
        if self.rounds and (self.improve_on == "price" or self.restart or self.delete_seconds or self.floor_percent):
            raise ValueError("rounds improve on one's own bid, and know no restart, no deletion and no floor")
        if not self.rounds and self.scorings != ("price",):
            raise ValueError("only rounds rank bids by more than their price: scorings wants rounds")

    def kinds(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(kind for duration in self.durations for kind in duration.kinds))

    def offered(self, kind: str) -> tuple[Duration, ...]:
        return tuple(duration for duration in self.durations if kind in duration.kinds)


class Ground(_Rules, frozen=True, kw_only=True):
    """A ground on which a side may refuse to sign. Where it is ``justified`` and holds, the refusal is no breach."""

    code: str
    title: str
    sides: Annotated[tuple[Literal["supplier", "buyer"], ...], Meta(min_length=1)]
    justified: bool = True


class Bracket(_Rules, frozen=True, kw_only=True):
    up_to: Decimal
    """Of the contract's amount, included."""
    amount: Decimal
    """The least security."""


class PerformanceSecurity(_Rules, frozen=True, kw_only=True):
    """What a supplier puts up before it signs; the last bracket holds for everything above it too."""

    kinds: tuple[str, ...]
    brackets: Annotated[tuple[Bracket, ...], Meta(min_length=1)]
    valid_days: Count
    """Calendar days that it outlasts the end of performance."""

    def __post_init__(self) -> None:
        if unknown := set(self.kinds) - KINDS:
            raise ValueError(f"there is no kind {sorted(unknown)}")
        limits = [bracket.up_to for bracket in self.brackets]
        if limits != sorted(set(limits)) or any(bracket.amount < 0 for bracket in self.brackets):
            raise ValueError("brackets rise in up_to, and no amount is below zero")

    def due(self, kind: str, amount: Decimal) -> Decimal:
        """The least security for a contract of that amount; 0 where none is due."""
        if kind not in self.kinds:
            return Decimal(0)
        fitting = (bracket for bracket in self.brackets if amount <= bracket.up_to)
        return next(fitting, self.brackets[-1]).amount


class ContractRules(_Rules, frozen=True, kw_only=True):
    """From award to signature; lengths in working days."""

    supplier_offer_days: Positive
    """The winner signs the generated offer."""
    buyer_draft_days: Positive
    supplier_signature_days: Positive
    """The supplier signs, objects or refuses."""
    buyer_answer_days: Positive
    """The buyer answers a protocol of disagreement."""
    extension_days: Count
    """Added to a running step when a side extends."""
    extensions_per_side: Count
    total_days: Positive
    """From the award; no step and no extension ends later."""
    buyer_activates_from_rank: Annotated[int, Meta(ge=2)]
    """From this rank on the cascade waits for the buyer instead of going on by itself."""
    no_penalty_from_rank: Annotated[int, Meta(ge=2)]
    objections_per_contract: Count = 0
    """Protocols of disagreement that the supplier may file."""
    changeable_terms: tuple[str, ...] = ()
    """What a protocol may change; never price, quantity or item, for these were competed."""
    performance_days: Positive = 20
    """From the draft on until everything is delivered, where the draft names no day."""
    grounds: tuple[Ground, ...] = ()
    """The closed list; a refusal on none of them is never justified."""
    dispute_days: Positive = 5
    """The other side says that a justified ground does not hold."""
    dispute_decision_days: Positive = 10
    security: PerformanceSecurity | None = None

    def __post_init__(self) -> None:
        if unknown := set(self.changeable_terms) - TERMS.keys():
            raise ValueError(f"a draft has no terms {sorted(unknown)}")
        if len({ground.code for ground in self.grounds}) < len(self.grounds):
            raise ValueError("every ground has a code of its own")

    def grounds_of(self, side: str) -> tuple[Ground, ...]:
        return tuple(ground for ground in self.grounds if side in ground.sides)


class Suspension(_Rules, frozen=True, kw_only=True):
    """``after`` breaches ``within_days`` of one another suspend: the first time for ``months[0]``, then ``months[1]``, …; the last
    length holds for every time after."""

    after: Positive
    within_days: Positive
    months: Annotated[tuple[Positive, ...], Meta(min_length=1)]

    def length(self, level: int) -> int:
        """Months of the ``level``-th suspension, counted from 1."""
        return self.months[min(level, len(self.months)) - 1]


class Sanctions(_Rules, frozen=True, kw_only=True):
    """What a supplier who evades contracts it won, or a buyer who refuses them without ground, has to expect; None: nothing."""

    supplier: Suspension | None = None
    buyer: Suspension | None = None
    appeal_days: Positive
    """Working days to appeal against a suspension."""
    decision_days: Positive
    """Working days to decide about an appeal."""
    month_minutes: Positive | None = None
    """Where a rehearsal shortens a month to minutes; None: months of the calendar."""

    def until(self, since: datetime, months: int) -> datetime:
        """The same day and hour so many months later in UTC, for an organisation has no buyer's clock; the month's last day
        where it has no such day."""
        if self.month_minutes is not None:
            return since + timedelta(minutes=self.month_minutes * months)
        years, month = divmod(since.month - 1 + months, 12)
        year = since.year + years
        return since.replace(year=year, month=month + 1, day=min(since.day, monthrange(year, month + 1)[1]))


class ExecutionRules(_Rules, frozen=True, kw_only=True):
    """From signature to closure; lengths in working days."""

    acceptance_days: Positive
    """The buyer accepts or refuses a delivery."""
    silence_accepts: bool
    """A delivery that the buyer did not answer in time counts as accepted; else it is overdue and waits."""
    payment_days: Positive
    """The buyer pays or disputes an invoice."""
    receipt_days: Positive
    """The supplier confirms that the money came."""
    answer_days: Positive
    """The other side answers a dispute, or a proposal to end the contract; it is heard before a moderator decides."""
    decision_days: Positive
    """A moderator decides a dispute, from its opening."""
    notice_days: Positive
    """So long a side has to mend its breach before the other may end the contract on it."""


class PoolRules(_Rules, frozen=True, kw_only=True):
    min_enrolment_days: Count
    """Working days an enrolment is open at least; 0: free."""


class PurchaseRules(_Rules, frozen=True, kw_only=True):
    ceiling: Decimal
    answer_days: Positive
    """Working days the supplier has to accept or refuse."""
    contract_days: Positive
    """Longest contract, in working days."""
    in_demand: tuple[str, ...] = ()
    """CPV codes, or what they begin with, of goods in demand: of these only the cheapest offer of a SKU is bought."""

    def __post_init__(self) -> None:
        if self.ceiling <= 0:
            raise ValueError("the ceiling of a direct purchase is above zero")

    def cheapest_only(self, category: str) -> bool:
        return category.startswith(self.in_demand) if self.in_demand else False


class QuoteRules(_Rules, frozen=True, kw_only=True):
    """Quick quotes: sealed quotes until a deadline, then the buyer's choice."""

    min_minutes: Positive
    """A request takes quotes for so long at least."""
    max_days: Positive
    """And for so many days of the calendar at most."""
    settle_seconds: Count
    """The deadline waits this long for quotes that arrived before it."""
    choose_days: Positive
    """Working days after the deadline in which the buyer chooses; then the request lapses."""
    justification_characters: Positive
    """How long at least the reason is for a quote that is not the cheapest."""
    ceiling: Decimal | None = None
    """Highest total of a quote; None: none holds."""

    def __post_init__(self) -> None:
        if self.ceiling is not None and self.ceiling <= 0:
            raise ValueError("the ceiling of a quick quote is above zero")


class Policy(_Rules, frozen=True, kw_only=True):
    """One jurisdiction's numbers. Money is in ``currency``; ``source`` cites the law or regulation."""

    name: str
    title: str
    source: str
    currency: str
    working_day_minutes: Positive | None = None
    """Where a rehearsal shortens a working day to minutes; None: the region calendar's working days."""
    auction: AuctionRules
    contract: ContractRules
    pool: PoolRules
    purchase: PurchaseRules
    quote: QuoteRules | None = None
    """None: this market has no quick quotes."""
    sanctions: Sanctions | None = None
    execution: ExecutionRules = ExecutionRules(
        acceptance_days=20,
        silence_accepts=False,
        payment_days=7,
        receipt_days=5,
        answer_days=5,
        decision_days=10,
        notice_days=10,
    )

    def __post_init__(self) -> None:
        try:
            minor_units(self.currency)
        except RuleBroken as error:
            raise ValueError(error.message) from None

    def due(self, since: datetime, days: int, calendar: RegionCalendar) -> datetime:
        """The end of a step of ``days`` working days begun at ``since``, UTC."""
        if self.working_day_minutes is None:
            return calendar.add_working_days(since, days)
        return since + timedelta(minutes=self.working_day_minutes * days)


def keep_own_in(folder: Path | None) -> None:
    """Where this market has presets of its own; said once, when a process starts, because every room loads by name alone."""
    global _own
    _own = folder


def load(name: str, folder: Path | None = None) -> Policy:
    """The policy of that name: from ``folder`` (the market's own) if it has one, else shipped.

    Raises UnknownPolicy, PolicyNotValid.
    """
    places = [place for place in (folder or _own, _SHIPPED) if place]
    found = [path for place in places if (path := place / f"{name}.toml").is_file()] if NAME.fullmatch(name) else []
    if not found:
        known = sorted({path.stem for place in places for path in place.glob("*.toml")})
        raise UnknownPolicy(f"There is no policy {name!r}; there are {', '.join(known)}.", field="policy", name=name)
    numbers = _read(found[0])
    if "based_on" in numbers:
        base = _SHIPPED / f"{numbers.pop('based_on')}.toml"
        if not base.is_file():
            raise PolicyNotValid(f"{found[0].name} is based on {base.stem!r}, which is not shipped.", field="based_on")
        absent = numbers.pop("without", [])
        numbers = _merged(_without(_read(base), absent, found[0]), numbers)
    try:
        return msgspec.convert({**numbers, "name": name}, Policy)
    except msgspec.ValidationError as error:
        raise PolicyNotValid(f"{found[0].name}: {error}.", field=_path(str(error)), file=found[0].name) from error


def _read(path: Path) -> dict[str, Any]:
    """A dictionary of the caller's own; what is in it is shared and stays as it is. A file that was edited is read anew."""
    return dict(_parsed(path, path.stat().st_mtime_ns))


@lru_cache(maxsize=64)
def _parsed(path: Path, edited: int) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyNotValid(f"{path.name} is no TOML: {error}.", file=path.name) from error


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in changes.items():
        inner = isinstance(value, dict) and isinstance(base.get(key), dict)
        both[key] = _merged(base[key], value) if inner else value
    return both


def _without(base: dict[str, Any], absent: list[str], file: Path) -> dict[str, Any]:
    """A copy of the preset that lacks what ``absent`` names by dotted paths."""
    for path in absent:
        first, _, rest = path.partition(".")
        if first not in base or (rest and not isinstance(base[first], dict)):
            raise PolicyNotValid(f"{file.name} is without {path!r}, which its preset does not have.", field="without")
        inner = {first: _without(base[first], [rest], file)} if rest else {}
        base = {key: value for key, value in base.items() if key != first} | inner
    return base


def _path(message: str) -> str | None:
    """msgspec ends its sentence with where it is: "Expected `int`, got `str` - at `$.auction.settle_seconds`"."""
    where = re.search(r"`\$\.?([^`]*)`$", message)
    return (where[1] or None) if where else None
