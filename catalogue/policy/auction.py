"""Rules for mini-auctions: lengths, steps, ceilings and the end."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from typing import Literal

from msgspec import field

from catalogue.policy.bounds import KINDS, Count, Positive, Rules


class Window(Rules, frozen=True, kw_only=True):
    """Hours of the buyer's local day, both ends included."""

    first: time
    last: time

    def __post_init__(self) -> None:
        if self.first >= self.last:
            raise ValueError(f"the window {self.first}-{self.last} is empty")


class Duration(Rules, frozen=True, kw_only=True):
    """A length that a session may have: for which kinds, at which time of the day, up to which initial price (currency
    of the policy)."""

    minutes: Positive
    kinds: tuple[str, ...]
    runs_within: Window | None = None
    """The whole session must lie in these hours of one day."""
    starts_within: Window | None = None
    max_initial_price: Decimal | None = None
    autobid_seconds: Positive | None = None
    """The time between two automatic cuts in one session; None: there is no autobid."""


class Withdrawal(Rules, frozen=True, kw_only=True):
    """When the buyer may withdraw a session, giving its reason."""

    minutes_before_end: Count
    window: Window | None = None
    """Hours of the buyer's working day in which this is possible; None: at any time."""


class Outage(Rules, frozen=True, kw_only=True):
    """How a session is extended after a time in which nobody could bid."""

    after_seconds: Positive
    """A shorter interruption does not count as an outage."""
    margin_seconds: Count
    """A session that still runs is extended by the length of the outage plus this."""
    lost_end_seconds: Count
    """A session whose end fell into the outage continues for the time that it lost plus this."""


class Restart(Rules, frozen=True, kw_only=True):
    """At its end a session continues once if the second price differs this much from the first."""

    gap_percent: Decimal
    seconds: Positive


class Rounds(Rules, frozen=True, kw_only=True):
    """Sealed first bids until the end of the duration, then rounds of turns, the worst bidder first."""

    turn_seconds: Positive
    pauses_seconds: tuple[Count, ...]
    """Before each round; there are as many rounds."""


class Equivalents(Rules, frozen=True, kw_only=True):
    """Equivalent goods may replace this part of a position's quantity, in sessions with at least this many
    positions."""

    min_lines: Positive
    max_percent: Decimal


class AuctionRules(Rules, frozen=True, kw_only=True, omit_defaults=True):
    """If ``rounds`` is None, everybody may bid at any time and late bids extend the session; else bidders take
    turns.

    Sessions are stored with the rules under which they began: values equal to the defaults are left out, so that a
    former release can read them.
    """

    none_because: str = ""
    """Why this jurisdiction has no live auction; a policy with this text has no duration."""
    ceilings: dict[str, Decimal]
    """Highest initial price by kind (goods, works, services); a kind that is not named has no limit."""
    durations: tuple[Duration, ...]
    step_percents: tuple[Decimal, ...]
    """Percent of the initial price; the buyer picks one at opening."""
    whole_steps: bool = True
    """True: a cut is a whole number of steps. False: it is at least one step."""
    improve_on: Literal["price", "own"] = "price"
    """What a bid must undercut by a step: the session's price (so the leader cannot bid again before another bidder
    does), or the bidder's own last bid; in continuous sessions a bid below the price must then also undercut that by a
    step."""
    floor_percent: Decimal
    """Percent of the initial price at which a session ends at once; 0: never."""
    extension_window_seconds: Count
    """An accepted bid extends the session if less than this time is left; 0: no bid does."""
    extension_seconds: Count
    """The new end is this long after such a bid."""
    settle_seconds: Count
    """The close waits this long after the effective end for bids that arrived before it."""
    delete_seconds: Count = 0
    """For this long after its last bid a bidder may delete it, once per session; 0: never."""
    reference_grades: tuple[str, ...]
    """Grades of reference prices that limit the initial price."""
    scorings: tuple[str, ...] = ("price",)
    """How bids may be ranked: price, quality, life-cycle."""
    withdrawal: Withdrawal = Withdrawal(minutes_before_end=0)
    outage: Outage = field(default_factory=lambda: Outage(after_seconds=5, margin_seconds=60, lost_end_seconds=900))
    """Stored even if it equals the default, because a query reads it."""
    restart: Restart | None = None
    rounds: Rounds | None = None
    equivalents: Equivalents | None = None
    open_in_all: Positive = 1000
    """The most announced or running sessions of one buyer, including those of its pools."""
    complaint_characters: Positive = 20
    """The least number of characters of the grounds and the evidence of a complaint, and of the reason of its decision."""
    complaints_per_supplier: Positive = 10
    """The most complaints of one supplier about one session."""

    def __post_init__(self) -> None:
        if not self.step_percents or not all(0 < percent < 100 for percent in self.step_percents):
            raise ValueError("step_percents must have at least one value, and each must lie between 0 and 100")
        if not 0 <= self.floor_percent < 100:
            raise ValueError("floor_percent must lie between 0 and 100")
        if self.extension_seconds < self.extension_window_seconds:
            raise ValueError("extension_seconds below extension_window_seconds would bring the end nearer")
        if bool(self.durations) == bool(self.none_because):
            raise ValueError(
                "durations must have at least one value, or none_because must say why there is no live auction"
            )
        if not all(ceiling > 0 for ceiling in self.ceilings.values()):
            raise ValueError("every ceiling must be above zero")
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

    def is_bound_by(self, grade: str) -> bool:
        """Whether a reference price of that grade is a ceiling for the initial price."""
        return grade in self.reference_grades

    def kinds(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(kind for duration in self.durations for kind in duration.kinds))

    def offered(self, kind: str) -> tuple[Duration, ...]:
        return tuple(duration for duration in self.durations if kind in duration.kinds)
