"""Rules for contracts: from award to signature, and from signature to closure."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from catalogue.policy.bounds import (
    CalendarDaysOrNone,
    Code,
    Few,
    FieldNotValid,
    Kinds,
    Money,
    MoneyOrNone,
    Rank,
    Rules,
    Title,
    WorkingDays,
    WorkingDaysOrNone,
    one_of,
    several,
)

TERMS = {
    "delivery-time": "Delivered by",
    "delivery-place": "Place of delivery",
    "acceptance": "Acceptance",
    "payment": "Payment",
    "requisites": "Requisites",
    "wording": "Wording",
}
"""The terms of a draft besides its lines; each is a text, except that delivery-time is a date."""


class RefusalGround(Rules, frozen=True, kw_only=True):
    """A ground on which a side may refuse to sign. If it is ``justified`` and is upheld, the refusal is no breach."""

    code: Code
    title: Title
    sides: Annotated[tuple[Literal["supplier", "buyer"], ...], several(1, 2)]
    justified: bool = True


class Bracket(Rules, frozen=True, kw_only=True):
    up_to: Money
    """The upper limit of the contract's amount, inclusive."""
    amount: MoneyOrNone
    """The smallest security."""


class PerformanceSecurity(Rules, frozen=True, kw_only=True):
    """The security that a supplier provides before it signs. The last bracket also applies to all higher amounts."""

    kinds: Kinds
    brackets: Annotated[tuple[Bracket, ...], several(1, 100)]
    valid_days: CalendarDaysOrNone
    """Calendar days for which the security remains valid after the end of performance."""

    def check(self) -> None:
        for number in range(1, len(self.brackets)):
            if self.brackets[number].up_to <= self.brackets[number - 1].up_to:
                raise FieldNotValid(f"brackets[{number}].up_to", "must be above that of the bracket before it")

    def due(self, kind: str, amount: Decimal) -> Decimal:
        """The smallest security for a contract of that amount; 0 if none is due."""
        if kind not in self.kinds:
            return Decimal(0)
        fitting = (bracket for bracket in self.brackets if amount <= bracket.up_to)
        return next(fitting, self.brackets[-1]).amount


class ContractRules(Rules, frozen=True, kw_only=True):
    """Rules from award to signature. Lengths are in working days."""

    supplier_offer_days: WorkingDays
    """Days in which the winner signs the generated offer."""
    buyer_draft_days: WorkingDays
    supplier_signature_days: WorkingDays
    """Days in which the supplier signs, objects or refuses."""
    buyer_answer_days: WorkingDays
    """Days in which the buyer answers a protocol of disagreement."""
    extension_days: WorkingDaysOrNone
    """Days that are added to the running step when a side extends it."""
    extensions_per_side: Few
    total_days: WorkingDays
    """Days after the award by which every step and extension must end."""
    buyer_activates_from_rank: Rank
    """From this rank on, the cascade continues only if the buyer asks for it."""
    no_penalty_from_rank: Rank
    objections_per_contract: Few = 0
    """The most protocols of disagreement that the supplier may file."""
    changeable_terms: Annotated[tuple[Annotated[str, one_of(TERMS)], ...], several(0, len(TERMS))] = ()
    """The terms that a protocol may change. Price, quantity and item were fixed by the competition and can never
    change."""
    performance_days: WorkingDays = 20
    """Days from the draft until everything is delivered, if the draft names no date."""
    grounds: Annotated[tuple[RefusalGround, ...], several(0, 100)] = ()
    """The closed list of grounds. A refusal without one of them is never justified."""
    dispute_days: WorkingDays = 5
    """Days in which the other side may dispute a justified ground."""
    dispute_decision_days: WorkingDays = 10
    security: PerformanceSecurity | None = None

    def check(self) -> None:
        steps = self.supplier_offer_days + self.buyer_draft_days + self.supplier_signature_days
        if self.total_days < steps:
            raise FieldNotValid(
                "total_days", f"must be at least {steps}, the sum of the steps to a signature without an objection"
            )
        codes = [ground.code for ground in self.grounds]
        for number, code in enumerate(codes):
            if code in codes[:number]:
                raise FieldNotValid(f"grounds[{number}].code", "must not be that of another ground")

    def grounds_of(self, side: str) -> tuple[RefusalGround, ...]:
        return tuple(ground for ground in self.grounds if side in ground.sides)


class ExecutionRules(Rules, frozen=True, kw_only=True):
    """Rules from signature to closure. Lengths are in working days."""

    acceptance_days: WorkingDays
    """Days in which the buyer accepts or refuses a delivery."""
    silence_accepts: bool
    """True: a delivery that the buyer did not answer in time counts as accepted. False: it is overdue and still
    waits."""
    payment_days: WorkingDays
    """Days in which the buyer pays or disputes an invoice."""
    receipt_days: WorkingDays
    """Days in which the supplier confirms that it received the money."""
    answer_days: WorkingDays
    """Days in which the other side answers a dispute or a proposal to end the contract. A moderator decides only after
    that."""
    decision_days: WorkingDays
    """Days in which a moderator decides a dispute, counted from its opening."""
    notice_days: WorkingDays
    """Days in which a side can remedy its breach before the other may end the contract because of it."""

    def check(self) -> None:
        if self.decision_days < self.answer_days:
            raise FieldNotValid(
                "decision_days", "must be at least answer_days, because a decision waits for the answer"
            )
