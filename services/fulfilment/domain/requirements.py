"""The checks that all decisions about an execution share: whose act it is, and whether its quantities and words are
possible."""

from collections.abc import Mapping
from decimal import Decimal

from catalogue.actors import Party
from catalogue.rules import NotAParty, QuantityAbsurd, QuantityTooFine, RuleBroken
from events.contracts import LineQuantity
from services.fulfilment.domain.state import Execution, Matter, disputed

_FINEST = Decimal("0.000001")
_ABSURD = Decimal(10) ** 15


class ActOfOtherParty(RuleBroken):
    code = "act-of-other-party"


class ContractNotRunning(RuleBroken):
    """The contract is closed or terminated, so nothing new is ordered or delivered."""

    code = "contract-not-running"


class LineNotInContract(RuleBroken):
    code = "line-not-in-contract"


class QuantityNegative(RuleBroken):
    """Zero is possible: it means nothing of this line."""

    code = "quantity-negative"


class Disputed(RuleBroken):
    """A disputed delivery or invoice must wait for the end of the dispute."""

    code = "disputed"


class ReasonsMissing(RuleBroken):
    code = "reasons-missing"


class InvoiceNumberMissing(RuleBroken):
    code = "invoice-number-missing"


class DeliveryNoteMissing(RuleBroken):
    code = "delivery-note-missing"


class GrievanceMissing(RuleBroken):
    """A side that opens a dispute must say what is wrong."""

    code = "grievance-missing"


class AnswerMissing(RuleBroken):
    """An answer in a dispute must have words."""

    code = "answer-missing"


def party_of(execution: Execution, organisation_id: str) -> Party:
    """Return the side of the organisation. Raise NotAParty."""
    if organisation_id == execution.buyer_id:
        return "buyer"
    if organisation_id == execution.supplier_id:
        return "supplier"
    raise NotAParty(
        "Your organisation is neither the buyer nor the supplier of this contract.", field="organisation_id"
    )


def require_party(execution: Execution, organisation_id: str, party: Party) -> None:
    """Raise NotAParty or ActOfOtherParty unless the organisation is this side."""
    if party_of(execution, organisation_id) != party:
        raise ActOfOtherParty(f"Only the {party} can do this.", party=party)


def require_running(execution: Execution) -> None:
    if execution.status != "running":
        raise ContractNotRunning(f"This contract is {execution.status}.", state=execution.status)


def require_undisputed(execution: Execution, matter: Matter) -> None:
    if (dispute := disputed(execution, matter)) is not None:
        raise Disputed(
            f"The {matter.about} {matter.number} is disputed: the dispute must end first.",
            about=matter.about,
            number=matter.number,
            dispute=dispute.number,
        )


def require_reasons(words: str, sentence: str, field: str = "reasons") -> str:
    """Return the words without the blanks around them. Raise ReasonsMissing if there are none."""
    return require_words(words, ReasonsMissing(sentence, field=field))


def require_words(words: str, missing: RuleBroken) -> str:
    """Return the words without the blanks around them. Raise ``missing`` if there are none. Its code says what is asked
    for, because texts in other languages depend only on the code."""
    if not words.strip():
        raise missing
    return words.strip()


def quantities(execution: Execution, wanted: Mapping[str, Decimal]) -> tuple[LineQuantity, ...]:
    """Return the quantities above zero, in the order of the contract's lines. Every impossible value is refused, so no
    input is lost. The field of a line is ``quantity-`` and its id. Raise LineNotInContract, QuantityNegative,
    QuantityAbsurd or QuantityTooFine."""
    known = {line.line_id for line in execution.lines}
    for line_id, quantity in wanted.items():
        field = f"quantity-{line_id}"
        if line_id not in known:
            raise LineNotInContract(f"The contract has no line {line_id!r}.", field=field, line=line_id)
        if not quantity.is_finite() or quantity < 0:
            raise QuantityNegative(
                f"A quantity must not be below zero, as {quantity} is.", field=field, quantity=quantity
            )
        if quantity >= _ABSURD:
            raise QuantityAbsurd(
                f"A quantity must be below {_ABSURD:,f}.", field=field, quantity=quantity, below=_ABSURD
            )
        if quantity != quantity.quantize(_FINEST):
            raise QuantityTooFine("A quantity may have at most six decimals.", field=field, quantity=quantity)
    return tuple(
        LineQuantity(line_id=line.line_id, quantity=wanted[line.line_id])
        for line in execution.lines
        if wanted.get(line.line_id)
    )
