"""Rules for mini-auctions: lengths, steps, ceilings and the end."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal

from msgspec import field

from catalogue.policy.bounds import (
    SCORINGS,
    Characters,
    FieldNotValid,
    Grade,
    Kinds,
    Minutes,
    MinutesOrNone,
    Money,
    Percent,
    PercentBelowAll,
    Positive,
    PurchaseKind,
    Rules,
    Seconds,
    SecondsOrNone,
    Sentence,
    SomePercent,
    SomePercentBelowAll,
    one_of,
    several,
)


class Window(Rules, frozen=True, kw_only=True):
    """Hours of the buyer's local day, both ends included."""

    first: time
    last: time

    def check(self) -> None:
        if self.first >= self.last:
            raise FieldNotValid("last", "must be later than first")

    @property
    def minutes(self) -> int:
        return (self.last.hour - self.first.hour) * 60 + self.last.minute - self.first.minute


class Duration(Rules, frozen=True, kw_only=True):
    """A length that an auction may have: for which kinds, at which time of the day, up to which initial price (currency
    of the policy)."""

    minutes: Minutes
    kinds: Kinds
    runs_within: Window | None = None
    """The whole auction must lie in these hours of one day."""
    starts_within: Window | None = None
    max_initial_price: Money | None = None
    autobid_seconds: Seconds | None = None
    """The time between two automatic cuts in one auction; None: there is no autobid."""

    def check(self) -> None:
        if self.runs_within and self.minutes > self.runs_within.minutes:
            raise FieldNotValid("minutes", "must fit between the hours of runs_within")


class Withdrawal(Rules, frozen=True, kw_only=True):
    """When the buyer may withdraw an auction, giving its reason."""

    minutes_before_end: MinutesOrNone
    window: Window | None = None
    """Hours of the buyer's working day in which this is possible; None: at any time."""


class Outage(Rules, frozen=True, kw_only=True):
    """How an auction is extended after a time in which nobody could bid."""

    after_seconds: Seconds
    """A shorter interruption does not count as an outage."""
    margin_seconds: SecondsOrNone
    """An auction that still runs is extended by the length of the outage plus this."""
    lost_end_seconds: SecondsOrNone
    """An auction whose end fell into the outage continues for the time that it lost plus this."""


class Restart(Rules, frozen=True, kw_only=True):
    """At its end an auction continues once if the second price differs this much from the first."""

    gap_percent: Percent
    seconds: Seconds


class Rounds(Rules, frozen=True, kw_only=True):
    """Sealed first bids until the end of the duration, then rounds of turns, the worst bidder first."""

    turn_seconds: Seconds
    pauses_seconds: Annotated[tuple[SecondsOrNone, ...], several(1, 20, once=False)]
    """Before each round; there are as many rounds."""


class Equivalents(Rules, frozen=True, kw_only=True):
    """Equivalent goods may replace this part of a position's quantity, in auctions with at least this many
    positions."""

    min_lines: Positive
    max_percent: SomePercent


class AuctionRules(Rules, frozen=True, kw_only=True, omit_defaults=True):
    """If ``rounds`` is None, everybody may bid at any time and late bids extend the auction; else bidders take
    turns.

    Auctions are stored with the rules under which they began: values equal to the defaults are left out, so that a
    former release can read them.
    """

    none_because: Sentence = ""
    """Why this jurisdiction has no live auction; a policy with this text has no duration."""
    ceilings: Annotated[dict[PurchaseKind, Money], several(0, 3)]
    """Highest initial price by kind (goods, works, services); a kind that is not named has no limit."""
    durations: Annotated[tuple[Duration, ...], several(0, 50)]
    step_percents: Annotated[tuple[SomePercentBelowAll, ...], several(1, 50)]
    """Percent of the initial price; the buyer picks one at opening."""
    whole_steps: bool = True
    """True: a cut is a whole number of steps. False: it is at least one step."""
    improve_on: Literal["price", "own"] = "price"
    """What a bid must undercut by a step: the auction's price (so the leader cannot bid again before another bidder
    does), or the bidder's own last bid; in continuous auctions a bid below the price must then also undercut that by a
    step."""
    floor_percent: PercentBelowAll
    """Percent of the initial price at which an auction ends at once; 0: never."""
    extension_window_seconds: SecondsOrNone
    """An accepted bid extends the auction if less than this time is left; 0: no bid does."""
    extension_seconds: SecondsOrNone
    """The new end is this long after such a bid."""
    settle_seconds: SecondsOrNone
    """The close waits this long after the effective end for bids that arrived before it."""
    delete_seconds: SecondsOrNone = 0
    """For this long after its last bid a bidder may delete it, once per auction; 0: never."""
    reference_grades: Annotated[tuple[Grade, ...], several(0, 3)]
    """Grades of reference prices that limit the initial price."""
    scorings: Annotated[tuple[Annotated[str, one_of(SCORINGS)], ...], several(1, 3)] = ("price",)
    """How bids may be ranked: price, quality, life-cycle."""
    withdrawal: Withdrawal = Withdrawal(minutes_before_end=0)
    outage: Outage = field(default_factory=lambda: Outage(after_seconds=5, margin_seconds=60, lost_end_seconds=900))
    """Stored even if it equals the default, because a query reads it."""
    restart: Restart | None = None
    rounds: Rounds | None = None
    equivalents: Equivalents | None = None
    open_in_all: Positive = 1000
    """The most announced or running auctions of one buyer, including those of its pools."""
    complaint_characters: Characters = 20
    """The least number of characters of the grounds and the evidence of a complaint, and of the reason of its decision."""
    complaints_per_supplier: Positive = 10
    """The most complaints of one supplier about one auction."""

    def check(self) -> None:
        if self.extension_seconds < self.extension_window_seconds:
            raise FieldNotValid(
                "extension_seconds",
                "must be at least extension_window_seconds, because a bid would else bring the end nearer",
            )
        if bool(self.durations) == bool(self.none_because):
            raise FieldNotValid(
                "durations", "must have a value, or none_because must say why there is no live auction, but not both"
            )
        self._check_autobid()
        if self.delete_seconds and self.improve_on == "price":
            raise FieldNotValid(
                "delete_seconds", 'must be 0 unless improve_on is "own", because later bids build on a price'
            )
        if self.rounds:
            self._check_rounds()
        elif self.scorings != ("price",):
            raise FieldNotValid("scorings", 'must be ["price"] without rounds')

    def _check_autobid(self) -> None:
        for number, duration in enumerate(self.durations):
            pace = duration.autobid_seconds
            if pace and (self.improve_on == "own" or pace > self.extension_window_seconds):
                raise FieldNotValid(
                    f"durations[{number}].autobid_seconds",
                    'must be at most extension_window_seconds, and there is no autobid if improve_on is "own"',
                )

    def _check_rounds(self) -> None:
        if self.improve_on == "price":
            raise FieldNotValid("improve_on", 'must be "own" in rounds')
        for name in ("restart", "delete_seconds", "floor_percent"):
            if getattr(self, name):
                raise FieldNotValid(name, "must be absent or 0 in rounds")

    def is_bound_by(self, grade: str) -> bool:
        """Whether a reference price of that grade is a ceiling for the initial price."""
        return grade in self.reference_grades

    def kinds(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(kind for duration in self.durations for kind in duration.kinds))

    def offered(self, kind: str) -> tuple[Duration, ...]:
        return tuple(duration for duration in self.durations if kind in duration.kinds)
