"""What bids are ranked on: the price, or the price with quality or life-cycle cost, in exact fractions.

Prozorro's ways (its public auction code): with quality a bid's price is divided by ``1 + (sum of the chosen weights) / (1 - sum of
the highest weights)``; with life-cycle cost the chosen options' costs are added. Ranking the scored value and not the price is
the point: a dearer bid may win.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from catalogue.rules import RuleBroken
from events.auctions import Scoring


class ScoringNotSound(RuleBroken):
    code = "scoring-not-sound"


class ChoicesMissing(RuleBroken):
    """A scored bid answers every criterion with one of its options."""

    code = "choices-missing"


def check(scoring: Scoring) -> None:
    """Raises ScoringNotSound."""
    if (scoring.by == "price") == bool(scoring.criteria):
        raise ScoringNotSound("Scoring by price has no criteria; any other has some.", field="scoring")
    for criterion in scoring.criteria:
        if not criterion.title.strip() or not criterion.options:
            raise ScoringNotSound("Every criterion has a title and options.", field="scoring")
        if any(not option.value.is_finite() or option.value < 0 for option in criterion.options):
            raise ScoringNotSound(
                f"The options of {criterion.title!r} are worth 0 or more.", field="scoring", criterion=criterion.title
            )
    if scoring.by == "quality" and _highest(scoring) >= 1:
        raise ScoringNotSound(
            f"The highest weights must stay below 1 together; they make {_highest(scoring)}.",
            field="scoring",
            highest=_highest(scoring),
        )


def complete(scoring: Scoring, choices: tuple[int, ...]) -> None:
    """Raises ChoicesMissing unless there is one option for each criterion."""
    fits = len(choices) == len(scoring.criteria) and all(
        0 <= choice < len(criterion.options) for choice, criterion in zip(choices, scoring.criteria, strict=True)
    )
    if not fits:
        raise ChoicesMissing(
            f"A bid here answers {len(scoring.criteria)} criteria with one of the options of each.",
            field="choices",
            criteria=len(scoring.criteria),
            answered=len(choices),
        )


def score(scoring: Scoring, amount: Decimal, choices: tuple[int, ...]) -> Fraction:
    """What a bid of this amount with these choices is ranked on, in the currency; lower is better. Exact."""
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
