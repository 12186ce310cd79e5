"""Policies: the numbers a jurisdiction could want otherwise, as one frozen value loaded by name (DOMAIN, head).

A preset is ``policies/<name>.toml``; a market adds or overrides presets in a folder of its own. ``based_on`` names a shipped
preset of which the file changes only what it says: tables merge, everything else (lists too) is replaced. A policy is stored
with each auction, pool or purchase at its creation (msgspec encodes it), so a later edit never touches a running one.
"""

from __future__ import annotations

import re
import tomllib
from datetime import datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from catalogue.calendar import RegionCalendar
from catalogue.money import minor_units
from catalogue.rules import RuleBroken

_SHIPPED = Path(__file__).parent / "policies"
_own: Path | None = None
_NAME = re.compile(r"[a-z][a-z0-9-]*")

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


class AuctionRules(_Rules, frozen=True, kw_only=True):
    ceilings: dict[str, Decimal]
    """Highest initial price by kind (goods, works, services)."""
    durations: tuple[Duration, ...]
    step_percents: tuple[Decimal, ...]
    """Percent of the initial price; the buyer picks one at opening."""
    floor_percent: Decimal
    """Percent of the initial price at which a session ends at once."""
    extension_window_seconds: Count
    """An accepted bid with less than this left extends the session."""
    extension_seconds: Count
    """The end moves to this long after such a bid."""
    settle_seconds: Count
    """The close waits this long after the effective end for bids that arrived before it."""
    reference_grades: tuple[str, ...]
    """Grades of a reference price that bound the initial price."""

    def __post_init__(self) -> None:
        if not self.step_percents or not all(0 < percent < 100 for percent in self.step_percents):
            raise ValueError("step_percents lie between 0 and 100, and there is at least one")
        if not 0 <= self.floor_percent < 100:
            raise ValueError("floor_percent lies between 0 and 100")
        if self.extension_seconds < self.extension_window_seconds:
            raise ValueError("extension_seconds below extension_window_seconds would bring the end nearer")
        if not self.durations or not all(ceiling > 0 for ceiling in self.ceilings.values()):
            raise ValueError("there is at least one duration, and every ceiling is above zero")
        if unknown := {kind for duration in self.durations for kind in duration.kinds} - self.ceilings.keys():
            raise ValueError(f"a duration names kinds without a ceiling: {sorted(unknown)}")

    def offered(self, kind: str) -> tuple[Duration, ...]:
        return tuple(duration for duration in self.durations if kind in duration.kinds)


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


class PoolRules(_Rules, frozen=True, kw_only=True):
    min_enrolment_days: Count
    """Working days an enrolment is open at least; 0: free."""


class PurchaseRules(_Rules, frozen=True, kw_only=True):
    ceiling: Decimal
    answer_days: Positive
    """Working days the supplier has to accept or refuse."""
    contract_days: Positive
    """Longest contract, in working days."""

    def __post_init__(self) -> None:
        if self.ceiling <= 0:
            raise ValueError("the ceiling of a direct purchase is above zero")


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
    found = [path for place in places if (path := place / f"{name}.toml").is_file()] if _NAME.fullmatch(name) else []
    if not found:
        known = sorted({path.stem for place in places for path in place.glob("*.toml")})
        raise UnknownPolicy(f"There is no policy {name!r}; there are {', '.join(known)}.", field="policy", name=name)
    numbers = _read(found[0])
    if "based_on" in numbers:
        base = _SHIPPED / f"{numbers.pop('based_on')}.toml"
        if not base.is_file():
            raise PolicyNotValid(f"{found[0].name} is based on {base.stem!r}, which is not shipped.", field="based_on")
        numbers = _merged(_read(base), numbers)
    try:
        return msgspec.convert({**numbers, "name": name}, Policy)
    except msgspec.ValidationError as error:
        raise PolicyNotValid(f"{found[0].name}: {error}.", field=_path(str(error)), file=found[0].name) from error


def _read(path: Path) -> dict[str, Any]:
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


def _path(message: str) -> str | None:
    """msgspec ends its sentence with where it is: "Expected `int`, got `str` - at `$.auction.settle_seconds`"."""
    where = re.search(r"`\$\.?([^`]*)`$", message)
    return (where[1] or None) if where else None
