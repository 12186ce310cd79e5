"""The value by which bids are ranked: the price, or the price with quality or life-cycle cost, in exact fractions.

These are Prozorro's methods (its public auction code). With quality, a bid's price is divided by ``1 + (sum of the
chosen weights) / (1 - sum of the highest weights)``. With life-cycle cost, the costs of the chosen options are added.
The scored value is ranked instead of the price, so a more expensive bid may win.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from catalogue.rules import RuleBroken, Typed
from events.auctions import Scoring


class ScoringNotSound(RuleBroken):
    """The criteria, options and weights do not fit together. Each rule about them has a class of its own."""


class CriteriaNotAsked(ScoringNotSound):
    """Bids that are ranked by price have no criteria."""

    code = "criteria-not-asked"


class CriteriaMissing(ScoringNotSound):
    """Bids that are not ranked only by price need criteria."""

    code = "criteria-missing"


class CriterionNotComplete(ScoringNotSound):
    code = "criterion-not-complete"


class OptionNegative(ScoringNotSound):
    code = "option-negative"


class WeightsTooHigh(ScoringNotSound):
    code = "weights-too-high"


class ChoicesMissing(RuleBroken):
    """A scored bid must choose one option for every criterion."""

    code = "choices-missing"


def check(scoring: Scoring) -> None:
    """Raise ScoringNotSound if the scoring contradicts itself."""
    if scoring.by == "price" and scoring.criteria:
        raise CriteriaNotAsked("Scoring by price has no criteria.", field="scoring")
    if scoring.by != "price" and not scoring.criteria:
        raise CriteriaMissing("If bids are not ranked only by price, criteria are needed.", field="scoring")
    for criterion in scoring.criteria:
        if not criterion.title.strip() or not criterion.options:
            raise CriterionNotComplete("Every criterion needs a title and options.", field="scoring")
        if any(not option.value.is_finite() or option.value < 0 for option in criterion.options):
            raise OptionNegative(
                f"The options of {criterion.title!r} must be 0 or more.",
                field="scoring",
                criterion=Typed(criterion.title),
            )
    if scoring.by == "quality" and _highest(scoring) >= 1:
        raise WeightsTooHigh(
            f"The highest weights must be below 1 together; they are {_highest(scoring)}.",
            field="scoring",
            highest=_highest(scoring),
        )


def complete(scoring: Scoring, choices: tuple[int, ...]) -> None:
    """Raise ChoicesMissing unless there is one option for each criterion."""
    fits = len(choices) == len(scoring.criteria) and all(
        0 <= choice < len(criterion.options) for choice, criterion in zip(choices, scoring.criteria, strict=True)
    )
    if not fits:
        raise ChoicesMissing(
            f"A bid here must choose one option for each of {len(scoring.criteria)} criteria.",
            field="choices",
            criteria=len(scoring.criteria),
            answered=len(choices),
        )


def score(scoring: Scoring, amount: Decimal, choices: tuple[int, ...]) -> Fraction:
    """Return the value by which a bid of this amount with these choices is ranked, in the currency. Lower is better. It
    is exact."""
    if scoring.by == "price":
        return Fraction(amount)
    chosen = sum(
        (
            Fraction(criterion.options[choice].value)
            for criterion, choice in zip(scoring.criteria, choices, strict=True)
        ),
        start=Fraction(0),
    )
    if scoring.by == "life-cycle":
        return Fraction(amount) + chosen
    return Fraction(amount) / (1 + chosen / (1 - Fraction(_highest(scoring))))


def _highest(scoring: Scoring) -> Decimal:
    return sum((max(option.value for option in each.options) for each in scoring.criteria), start=Decimal(0))
