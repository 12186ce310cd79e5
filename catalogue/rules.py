"""The one shape of a refusal: which rule, in which sentence, with which numbers (docs/rules.md section 0)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

Value = Decimal | int | date | str | None
"""What a refusal compares: an amount, a count, a date or an instant, a word; None where there is none. Nothing else goes with one:
pages write each kind as their reader does."""


class RuleBroken(Exception):
    """Base of every domain error; a subclass is named after the rule it stands for.

    ``code`` is stable and machine-readable, ``message`` a sentence for people, ``field`` the input at fault (if one is)
    and ``numbers`` what was compared. Subclasses set ``code`` and nothing else.
    """

    code: ClassVar[str] = "rule-broken"

    def __init__(self, message: str, *, field: str | None = None, **numbers: Value) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.numbers = numbers

    def as_dict(self) -> dict[str, Any]:
        """The refusal as JSON-ready values; Decimals and dates become strings so that no digit is lost."""
        return {
            "code": self.code,
            "message": self.message,
            "field": self.field,
            "numbers": {name: _plain(value) for name, value in self.numbers.items()},
        }


class KeyReused(RuleBroken):
    """A request key belongs to one caller and one body: the same again gets the first answer, and nothing else may have the key."""

    code = "idempotency-key-reused"
    of_a_form: ClassVar[str] = (
        "This form was sent before with other content, and that was done. What stands in it now was not sent: to send this as well,"
        " press the button again."
    )
    """The sentence for people, who see no key: a form that is shown again has a new one."""

    def __init__(self) -> None:
        super().__init__(
            "This was sent before with other content, and that was done. To send this as well, use a new key; a form that is"
            " shown again has one."
        )


# What several rooms refuse, each in a sentence of its own. A code has one class, and a class one rule.


class TitleMissing(RuleBroken):
    code = "title-missing"


class NameMissing(RuleBroken):
    code = "name-missing"


class ReasonMissing(RuleBroken):
    code = "reason-missing"


class EvidenceMissing(RuleBroken):
    """It says where it can be seen."""

    code = "evidence-missing"


class DecisionUnexplained(RuleBroken):
    code = "decision-unexplained"


class DecidedOtherwise(RuleBroken):
    """A decision stands, and is another one."""

    code = "decided-otherwise"


class NotAParty(RuleBroken):
    """Only the two sides of a contract act on it."""

    code = "not-a-party"


class RoleMissing(RuleBroken):
    """A buyer's officer acts for the buyer, a supplier's agent for the supplier, also where one organisation is both."""

    code = "role-missing"


class DoneOtherwise(RuleBroken):
    """The act was done before with other content, and that stands."""

    code = "done-otherwise"


def require_repeat(same: bool, stands: str) -> None:
    """Of an act that was done before: it may come again as it was, and then changes nothing. What comes with other content is not
    dropped in silence: its sender is told what ``stands``. Raises DoneOtherwise."""
    if not same:
        words = stands.strip()
        kept = f"“{words if len(words) <= MOST_TOLD else words[:MOST_TOLD] + '…'}”" if words else "–"
        raise DoneOtherwise(
            f"This was done before with other content, and that stands: {kept} What you sent now changed nothing.",
            stands=kept,
        )


MOST_TOLD = 500
"""Characters of what stands that a refusal repeats."""


class UnknownKind(RuleBroken):
    """Neither goods nor works nor services."""

    code = "unknown-kind"


class LinesMissing(RuleBroken):
    code = "no-lines"


class LineNotComplete(RuleBroken):
    """A line without what every line of such a process has: an id of its own, a description, a category, a quantity, a price."""

    code = "line-not-complete"


class PriceNotPositive(RuleBroken):
    code = "price-not-positive"


class ComesToNothing(RuleBroken):
    """Its price is above zero, and so little that the whole is rounded to nothing."""

    code = "comes-to-nothing"


class SkuNotPublished(RuleBroken):
    code = "sku-not-published"


class SupplierNotActive(RuleBroken):
    code = "supplier-not-active"


class BuyerNotActive(RuleBroken):
    code = "buyer-not-active"


class OrganisationNotActive(RuleBroken):
    code = "organisation-not-active"


class NotASupplier(RuleBroken):
    """Accounts has not told of it (yet), or of it as a buyer only."""

    code = "not-a-supplier"


class NotTheBuyer(RuleBroken):
    code = "not-the-buyer"


class UnknownTimeZone(RuleBroken):
    code = "unknown-time-zone"


class WrongStage(RuleBroken):
    """The process is not in a stage that allows this action."""

    code = "wrong-stage"


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, bool | int | str) else str(value)
