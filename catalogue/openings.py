"""The rules of a mini-auction that do not depend on its prices, its start or its buyer.

An auction is checked by them when it opens, and a pool when its terms are fixed: members must not enrol in a purchase
whose auction would be refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from catalogue.categories import require_one_group
from catalogue.durations import DurationNotOffered
from catalogue.policy import Duration, Policy
from catalogue.rules import AnyOf, Minutes, RuleBroken, Several, TitleMissing, Typed, UnknownKind


class Categorised(Protocol):
    """The fields of a category (:class:`events.values.Category`) that are used here."""

    @property
    def scheme(self) -> str: ...
    @property
    def code(self) -> str: ...


class Wanted(Protocol):
    """The field of a line (:class:`events.values.Line`) that is used here."""

    @property
    def category(self) -> Categorised | None: ...


class Terms(Protocol):
    """What an auction and a pool say alike."""

    @property
    def title(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def category(self) -> Categorised: ...
    @property
    def currency(self) -> str: ...
    @property
    def lines(self) -> Sequence[Wanted]: ...
    @property
    def duration_minutes(self) -> int: ...


class NoLiveAuction(RuleBroken):
    """The policy has no live auctions."""

    code = "no-live-auction"


class NotTheMarketsCurrency(RuleBroken):
    code = "not-the-markets-currency"


def require_terms(terms: Terms, policy: Policy) -> Duration:
    """Return the duration that the terms name. Raise the first rule that they break: NoLiveAuction, TitleMissing,
    NotTheMarketsCurrency, MalformedCategory, UnknownDivision, NotOneFunctionalGroup, UnknownKind or DurationNotOffered.
    """
    if policy.auction.none_because:
        raise NoLiveAuction(policy.auction.none_because, policy=policy.name)
    if not terms.title.strip():
        raise TitleMissing("A mini-auction needs a title.", field="title")
    if terms.currency != policy.currency:
        raise NotTheMarketsCurrency(
            f"Mini-auctions here are in {policy.currency}, not in {terms.currency}.",
            field="currency",
            currency=terms.currency,
            market=policy.currency,
        )
    categories = [terms.category, *(line.category for line in terms.lines if line.category is not None)]
    require_one_group((each.scheme, each.code) for each in categories)
    kinds = Several(policy.auction.kinds())
    if terms.kind not in kinds:
        raise UnknownKind(
            f"A mini-auction is for {kinds}, not {terms.kind!r}.",
            field="kind",
            kind=Typed(terms.kind),
            kinds=kinds,
        )
    return _offered(terms, policy)


def _offered(terms: Terms, policy: Policy) -> Duration:
    offered = policy.auction.offered(terms.kind)
    for duration in offered:
        if duration.minutes == terms.duration_minutes:
            return duration
    lengths = AnyOf(Minutes(each.minutes) for each in offered)
    raise DurationNotOffered(
        f"A mini-auction for {terms.kind} lasts {lengths}, not {Minutes(terms.duration_minutes)}.",
        field="duration_minutes",
        duration_minutes=terms.duration_minutes,
        kind=terms.kind,
        lengths=lengths,
    )
