"""Equivalents: what the winner may deliver instead of a part of a line, if the auction allows it (docs/rules.md section
3).

The supplier names them with its offer, and the buyer accepts or refuses each with its draft. If one is refused, the
original is due.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from msgspec import structs

from catalogue.numbers import digits, written_out
from catalogue.rules import RuleBroken
from events.contracts import Equivalent
from events.values import Category, Line
from services.contracts.domain.deals import Contract, Deal


class AuctionWithoutEquivalents(RuleBroken):
    """The auction does not allow equivalents."""

    code = "auction-without-equivalents"


class EquivalentOfNoLine(RuleBroken):
    code = "equivalent-of-no-line"


class EquivalentTwice(RuleBroken):
    """A line has one equivalent at most."""

    code = "equivalent-twice"


class EquivalentTooMuch(RuleBroken):
    code = "equivalent-too-much"


class EquivalentUndescribed(RuleBroken):
    code = "equivalent-undescribed"


class EquivalentOtherCategory(RuleBroken):
    code = "equivalent-other-category"


class EquivalentOtherUnit(RuleBroken):
    """The unit price holds for the equivalent too, so it comes in the same unit and pack."""

    code = "equivalent-other-unit"


class EquivalentIsOriginal(RuleBroken):
    code = "equivalent-is-original"


class EquivalentNotNamed(RuleBroken):
    """The buyer refuses an equivalent that the supplier never named."""

    code = "equivalent-not-named"


class EquivalentRefusalUnexplained(RuleBroken):
    code = "equivalent-refusal-unexplained"


@dataclass(frozen=True, slots=True, kw_only=True)
class EquivalentCard:
    """What the catalogue says about a SKU that is named as an equivalent."""

    sku_id: str
    name: str
    category: Category
    unit: str
    pack_size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class EquivalentProposal:
    """``quantity`` is in the line's unit. Without a ``card`` the description says what the equivalent is."""

    line_id: str
    quantity: Decimal
    description: str = ""
    card: EquivalentCard | None = None


def named(deal: Deal, contract: Contract, proposals: tuple[EquivalentProposal, ...]) -> tuple[Equivalent, ...]:
    """Return the equivalents that the supplier named, if the rules allow them. Raise a RuleBroken of this module; its
    field names the line."""
    rules = deal.policy.auction.equivalents
    if proposals and (rules is None or not deal.equivalents_allowed):
        raise AuctionWithoutEquivalents("This mini-auction does not allow equivalents.", field="equivalents")
    lines = {line.line_id: line for line in contract.lines}
    found: dict[str, Equivalent] = {}
    for proposal in proposals:
        line = lines.get(proposal.line_id)
        if line is None:
            raise EquivalentOfNoLine(
                f"There is no line {proposal.line_id!r}.", field="equivalents", line=proposal.line_id
            )
        if line.line_id in found:
            raise EquivalentTwice(
                f"There is already an equivalent for {line.description}.",
                field=_field(line),
                description=line.description,
            )
        assert rules is not None, "without rules nothing may be proposed"
        most = (line.quantity or Decimal(0)) * rules.max_percent / 100
        if not proposal.quantity.is_finite() or not 0 < proposal.quantity <= most:
            raise EquivalentTooMuch(
                f"An equivalent may replace up to {written_out(rules.max_percent)} % of a line: {digits(most)} of"
                f" {line.description}, not {proposal.quantity}.",
                field=_field(line),
                quantity=proposal.quantity,
                most=most,
                percent=rules.max_percent,
                description=line.description,
            )
        found[line.line_id] = _fitting(deal, line, proposal)
    return tuple(found.values())


def _fitting(deal: Deal, line: Line, proposal: EquivalentProposal) -> Equivalent:
    card = proposal.card
    description = proposal.description.strip() or (card.name if card else "")
    if not description:
        raise EquivalentUndescribed("Say what the equivalent is, or name its SKU.", field=_field(line))
    if card is not None:
        category = line.category or deal.category
        if card.sku_id == line.sku_id:
            raise EquivalentIsOriginal("This is the product itself, not an equivalent.", field=_field(line))
        if category is not None and card.category.code != category.code:
            raise EquivalentOtherCategory(
                f"{card.name} is of the category {card.category.code}, but the line is of the category {category.code}.",
                field=_field(line),
                name=card.name,
                category=card.category.code,
                asked_category=category.code,
            )
        if (card.unit, card.pack_size) != (line.unit, line.pack_size):
            raise EquivalentOtherUnit(
                f"{card.name} comes in another unit or pack than {line.description}.",
                field=_field(line),
                unit=card.unit,
                pack_size=card.pack_size,
                name=card.name,
                description=line.description,
            )
    return Equivalent(
        line_id=line.line_id,
        quantity=proposal.quantity,
        description=description,
        sku_id=card.sku_id if card else None,
    )


def answered(contract: Contract, refused: Mapping[str, str]) -> tuple[Equivalent, ...]:
    """Return the equivalents with the buyer's answers. ``refused`` has the reason by line. Raise EquivalentNotNamed or
    EquivalentRefusalUnexplained."""
    known = {each.line_id for each in contract.equivalents}
    for line_id, reason in refused.items():
        if line_id not in known:
            raise EquivalentNotNamed(
                f"No equivalent was named for the line {line_id!r}.", field="refused_equivalents", line=line_id
            )
        if not reason.strip():
            raise EquivalentRefusalUnexplained("Say why you refuse it.", field=f"refused-{line_id}", line=line_id)
    return tuple(structs.replace(each, refused=refused.get(each.line_id, "").strip()) for each in contract.equivalents)


def repeats(contract: Contract, proposals: tuple[EquivalentProposal, ...]) -> bool:
    """Return whether the supplier's offer named the same equivalents."""
    named = {(each.line_id, each.quantity, each.description, each.sku_id) for each in contract.equivalents}
    again = {
        (
            each.line_id,
            each.quantity,
            each.description.strip() or (each.card.name if each.card else ""),
            each.card.sku_id if each.card else None,
        )
        for each in proposals
    }
    return named == again and len(proposals) == len(contract.equivalents)


def refused_alike(contract: Contract, refused: Mapping[str, str]) -> bool:
    """Return whether the buyer's draft refused the same equivalents for the same reasons."""
    before = {each.line_id: each.refused for each in contract.equivalents if each.refused}
    return before == {line_id: reason.strip() for line_id, reason in refused.items()}


def described(contract: Contract) -> str:
    """Return the equivalents in words, for the refusal of a repeat with other content."""
    return "; ".join(
        f"{digits(each.quantity)} {each.description}" + (f" ({each.refused})" if each.refused else "")
        for each in contract.equivalents
    )


def _field(line: Line) -> str:
    return f"equivalent-{line.line_id}"
