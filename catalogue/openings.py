"""The rules of a mini-auction that do not depend on its start or its buyer.

An auction is checked by them when it opens, and a pool when its terms are fixed: members must not enrol in a purchase
whose auction would be refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from catalogue.categories import require_one_group
from catalogue.durations import DurationNotOffered
from catalogue.policy import KINDS, Duration, Policy
from catalogue.references import ReferencePrice
from catalogue.rules import AnyOf, Minutes, RuleBroken, TitleMissing, Typed, UnknownKind


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


class Priced(Protocol):
    """The fields of a line that begins at a price."""

    @property
    def line_id(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def unit_price(self) -> Decimal | None: ...


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


class CeilingExceeded(RuleBroken):
    """An initial price is above the highest one that the policy allows for the kind."""

    code = "ceiling-exceeded"


class AboveReferencePrice(RuleBroken):
    """A line begins above the published reference price that binds it."""

    code = "above-reference-price"


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
    kinds = AnyOf(policy.auction.kinds())
    if terms.kind not in kinds:
        raise UnknownKind(
            f"A mini-auction is for {kinds}, not for “{terms.kind}”.",
            field="kind",
            kind=terms.kind if terms.kind in KINDS else Typed(terms.kind),
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


def require_under_ceiling(kind: str, initial_price: Decimal, policy: Policy) -> None:
    """Raise CeilingExceeded if a mini-auction of this kind may not begin at this price."""
    ceiling = policy.auction.ceilings.get(kind)
    if ceiling is not None and initial_price > ceiling:
        raise CeilingExceeded(
            f"A mini-auction for {kind} may begin at most at {ceiling:,f} {policy.currency}; this one begins at {initial_price:,f}.",
            field="lines",
            initial_price=initial_price,
            ceiling=ceiling,
            kind=kind,
            currency=policy.currency,
        )


def require_under_references(
    lines: Iterable[Priced], references: Mapping[str, ReferencePrice], policy: Policy
) -> tuple[str, ...]:
    """Return the ids of the references that bind, each once. Raise AboveReferencePrice.

    Every line is checked separately, so that a cheap line does not make up for an expensive one."""
    binding: list[str] = []
    for line in lines:
        reference = references.get(line.line_id)
        if reference is None or not policy.auction.is_bound_by(reference.grade):
            continue
        if line.unit_price is not None and line.unit_price > reference.unit_price:
            raise AboveReferencePrice(
                f"{line.description!r} begins at {line.unit_price:,f} a unit, above the reference price "
                f"{reference.unit_price:,f} (grade {reference.grade}).",
                field="lines",
                line=line.line_id,
                unit_price=line.unit_price,
                reference_price=reference.unit_price,
                reference=reference.reference_id,
                grade=reference.grade,
                description=line.description,
            )
        if reference.reference_id not in binding:
            binding.append(reference.reference_id)
    return tuple(binding)
