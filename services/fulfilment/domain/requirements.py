"""What every decision about an execution asks of its command: whose act it is, and whether its quantities and words can be."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from catalogue.money import QuantityNotPositive
from catalogue.rules import NotAParty, RuleBroken
from events.contracts import LineQuantity
from services.fulfilment.domain.state import Execution, Matter, Party, disputed

_FINEST = Decimal("0.000001")
_ABSURD = Decimal(10) ** 15


class ActOfOtherParty(RuleBroken):
    code = "act-of-other-party"


class ContractNotRunning(RuleBroken):
    """It is closed or terminated: nothing new is ordered or delivered."""

    code = "contract-not-running"


class LineNotInContract(RuleBroken):
    code = "line-not-in-contract"


class QuantityTooFine(RuleBroken):
    code = "quantity-too-fine"


class QuantityAbsurd(RuleBroken):
    code = "quantity-absurd"


class Disputed(RuleBroken):
    """What is disputed waits for the end of the dispute."""

    code = "disputed"


class ReasonsMissing(RuleBroken):
    code = "reasons-missing"


class InvoiceNumberMissing(RuleBroken):
    code = "invoice-number-missing"


class DeliveryNoteMissing(RuleBroken):
    code = "delivery-note-missing"


class GrievanceMissing(RuleBroken):
    """Who opens a dispute says what is wrong."""

    code = "grievance-missing"


class AnswerMissing(RuleBroken):
    """Who answers in a dispute says something."""

    code = "answer-missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class ByMember:
    """A command for which a member answers by name, for its organisation."""

    organisation_id: str
    member_id: str


def party_of(execution: Execution, organisation_id: str) -> Party:
    """Raises NotAParty."""
    if organisation_id == execution.buyer_id:
        return "buyer"
    if organisation_id == execution.supplier_id:
        return "supplier"
    raise NotAParty(
        "Your organisation is neither the buyer nor the supplier of this contract.", field="organisation_id"
    )


def require_party(execution: Execution, organisation_id: str, party: Party) -> None:
    """Raises NotAParty, ActOfOtherParty."""
    if party_of(execution, organisation_id) != party:
        raise ActOfOtherParty(f"This is for the {party} to do.", party=party)


def require_running(execution: Execution) -> None:
    if execution.status != "running":
        raise ContractNotRunning(f"This contract is {execution.status}.", state=execution.status)


def require_undisputed(execution: Execution, matter: Matter) -> None:
    if (dispute := disputed(execution, matter)) is not None:
        raise Disputed(
            f"The {matter.about} {matter.number} is disputed: that ends first.",
            about=matter.about,
            number=matter.number,
            dispute=dispute.number,
        )


def require_reasons(words: str, sentence: str, field: str = "reasons") -> str:
    """The words without blanks around them. Raises ReasonsMissing."""
    return require_words(words, ReasonsMissing(sentence, field=field))


def require_words(words: str, missing: RuleBroken) -> str:
    """The words without blanks around them. Raises ``missing``, whose code says what is asked for: a reader in another language is
    told by the code alone."""
    if not words.strip():
        raise missing
    return words.strip()


def quantities(execution: Execution, wanted: Mapping[str, Decimal]) -> tuple[LineQuantity, ...]:
    """Those above zero, in the order of the contract's lines; nothing is lost, for what is not possible is refused. The field of
    a line is ``quantity-`` and its id. Raises LineNotInContract, QuantityNotPositive, QuantityAbsurd, QuantityTooFine."""
    known = {line.line_id for line in execution.lines}
    for line_id, quantity in wanted.items():
        field = f"quantity-{line_id}"
        if line_id not in known:
            raise LineNotInContract(f"The contract has no line {line_id!r}.", field=field, line=line_id)
        if not quantity.is_finite() or quantity < 0:
            raise QuantityNotPositive(
                f"A quantity is not below zero, as {quantity} is.", field=field, quantity=quantity
            )
        if quantity >= _ABSURD:
            raise QuantityAbsurd(f"A quantity stays below {_ABSURD:,f}.", field=field, quantity=quantity, below=_ABSURD)
        if quantity != quantity.quantize(_FINEST):
            raise QuantityTooFine("A quantity has six decimals at most.", field=field, quantity=quantity)
    return tuple(
        LineQuantity(line_id=line.line_id, quantity=wanted[line.line_id])
        for line in execution.lines
        if wanted.get(line.line_id)
    )
