"""The form of every refusal: the rule, a sentence and the numbers that were compared (docs/rules.md section 0)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, ClassVar


class Typed(str):
    """A text that somebody typed. Pages show it as it is, even if it is also one of Lonja's words or codes."""

    __slots__ = ()


class Minutes(int):
    """A length of time: ``3 h`` in English. Pages write it in the reader's language."""

    __slots__ = ()

    def __str__(self) -> str:
        """180 → ``3 h``, 90 → ``1 h 30 min``, 10080 → ``7 days``."""
        days, hours, rest = self // 1440, self // 60 % 24, self % 60
        if days > 1 and not hours and not rest:
            return f"{days} days"
        hours += 24 * days
        return " ".join(
            part for part in (f"{hours} h" if hours else "", f"{rest} min" if rest or not hours else "") if part
        )

    def __format__(self, form: str) -> str:
        return format(str(self), form)


class Several(tuple["Value", ...]):
    """Several values that a refusal names: ``str`` joins them in English, pages in the reader's language. A refusal must
    not get a joined text, because no other language can take it apart."""

    __slots__ = ()
    joint: ClassVar = ", "

    def __str__(self) -> str:
        return self.joint.join(map(str, self))


class AnyOf(Several):
    __slots__ = ()
    joint = " or "


class AllOf(Several):
    __slots__ = ()
    joint = " and "


Value = Decimal | int | date | str | Several | None
"""A value that a refusal compares: an amount, a count, a date or an instant, a word, several of these, or None. Other
types are not allowed, because pages format each of these for their reader."""


class RuleBroken(Exception):
    """Base of every domain error; a subclass is named after the rule it stands for.

    ``code`` is stable and machine-readable, ``message`` a sentence for people, ``field`` the input that is wrong (if
    there is one) and ``numbers`` the values that were compared. Subclasses set only ``code``.
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
    """A request key belongs to one caller and one body. A repeat gets the first answer; any other request with the key
    is refused."""

    code = "idempotency-key-reused"
    of_a_form: ClassVar[str] = (
        "This form was sent before with other content, and that was done. What it contains now was not sent: to send this as well,"
        " press the button again."
    )
    """The sentence for people, who see no key: a form that is shown again has a new key."""

    def __init__(self) -> None:
        super().__init__(
            "This was sent before with other content, and that was done. To send this as well, use a new key; a form that is"
            " shown again has one."
        )


# Refusals that several services raise, each with its own sentence. A code has one class, and a class has one rule.


class TitleMissing(RuleBroken):
    code = "title-missing"


class NameMissing(RuleBroken):
    code = "name-missing"


class ReasonMissing(RuleBroken):
    code = "reason-missing"


class EvidenceMissing(RuleBroken):
    """The evidence, which says where proof can be seen, is missing."""

    code = "evidence-missing"


class DecisionUnexplained(RuleBroken):
    code = "decision-unexplained"


class DecidedOtherwise(RuleBroken):
    """Another decision was made before and is valid."""

    code = "decided-otherwise"


class NotAParty(RuleBroken):
    """Only the two sides of a contract may act on it."""

    code = "not-a-party"


class RoleMissing(RuleBroken):
    """A buyer's officer acts for the buyer, a supplier's agent for the supplier, also where one organisation is both."""

    code = "role-missing"


def role_missing(*roles: str) -> RoleMissing:
    """The refusal of an act for which any one of the roles is enough."""
    named = AnyOf(roles)
    return RoleMissing(f"This needs the role {str(named).replace('_', ' ')}.", role=named)


class DoneOtherwise(RuleBroken):
    """The act was done before with other content, and that content counts."""

    code = "done-otherwise"


def require_repeat(same: bool, stands: str) -> None:
    """For an act that was done before. If the content is the ``same``, a repeat changes nothing. Otherwise raise
    DoneOtherwise, whose message quotes the content that counts, ``stands``."""
    if not same:
        words = stands.strip() or "–"
        kept = words if len(words) <= MOST_TOLD else words[:MOST_TOLD] + "…"
        raise DoneOtherwise(
            f"This was done before with other content, and that content counts: “{kept}”. What you sent now changed nothing.",
            stands=Typed(kept),
        )


MOST_TOLD = 500
"""The most characters of the content that a refusal quotes."""


class UnknownKind(RuleBroken):
    """The kind is neither goods nor works nor services."""

    code = "unknown-kind"


class LinesMissing(RuleBroken):
    code = "no-lines"


class LineNotComplete(RuleBroken):
    """A line lacks one of the values that every line of such a process needs."""

    code = "line-not-complete"


class LineIdRepeated(RuleBroken):
    code = "line-id-repeated"


class UnknownLine(RuleBroken):
    """The process has no line of this id."""

    code = "unknown-line"


class LineQuantityNotPositive(RuleBroken):
    code = "line-quantity-not-positive"


class QuantityAbsurd(RuleBroken):
    """The quantity is too large to compute with exactly."""

    code = "quantity-absurd"


class QuantityTooFine(RuleBroken):
    code = "quantity-too-fine"


class PriceAbsurd(RuleBroken):
    """The unit price is too large to compute with exactly."""

    code = "price-absurd"


class UnknownSku(RuleBroken):
    """There is no published SKU with this id."""

    code = "unknown-sku"


class PriceNotPositive(RuleBroken):
    code = "price-not-positive"


class ComesToNothing(RuleBroken):
    """The price is above zero, but so low that the total is rounded to zero."""

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
    """Accounts has not published this organisation (yet), or published it only as a buyer."""

    code = "not-a-supplier"


class NotTheBuyer(RuleBroken):
    code = "not-the-buyer"


class UnknownTimeZone(RuleBroken):
    code = "unknown-time-zone"


def sentence(error: Exception) -> str:
    """The text of an error with one stop at its end, to be quoted at the end of a message."""
    return f"{str(error).rstrip('. ')}."


def _plain(value: object) -> object:
    """The value as JSON has it. The serializer knows no subclass, such as :class:`Typed`."""
    if value is None or isinstance(value, bool):
        return value
    return int(value) if isinstance(value, int) else str(value)
