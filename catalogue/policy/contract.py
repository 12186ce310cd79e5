"""Rules for contracts: from award to signature, and from signature to closure."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from catalogue.policy.bounds import KINDS, Count, Positive, Rules

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

    code: str
    title: str
    sides: Annotated[tuple[Literal["supplier", "buyer"], ...], Meta(min_length=1)]
    justified: bool = True


class Bracket(Rules, frozen=True, kw_only=True):
    up_to: Decimal
    """The upper limit of the contract's amount, inclusive."""
    amount: Decimal
    """The smallest security."""


class PerformanceSecurity(Rules, frozen=True, kw_only=True):
    """The security that a supplier provides before it signs. The last bracket also applies to all higher amounts."""

    kinds: tuple[str, ...]
    brackets: Annotated[tuple[Bracket, ...], Meta(min_length=1)]
    valid_days: Count
    """Calendar days for which the security remains valid after the end of performance."""

    def __post_init__(self) -> None:
        if unknown := set(self.kinds) - KINDS:
            raise ValueError(f"there is no kind {sorted(unknown)}")
        limits = [bracket.up_to for bracket in self.brackets]
        if limits != sorted(set(limits)) or any(bracket.amount < 0 for bracket in self.brackets):
            raise ValueError("brackets rise in up_to, and no amount is below zero")

    def due(self, kind: str, amount: Decimal) -> Decimal:
        """The smallest security for a contract of that amount; 0 if none is due."""
        if kind not in self.kinds:
            return Decimal(0)
        fitting = (bracket for bracket in self.brackets if amount <= bracket.up_to)
        return next(fitting, self.brackets[-1]).amount


class ContractRules(Rules, frozen=True, kw_only=True):
    """Rules from award to signature. Lengths are in working days."""

    supplier_offer_days: Positive
    """Days in which the winner signs the generated offer."""
    buyer_draft_days: Positive
    supplier_signature_days: Positive
    """Days in which the supplier signs, objects or refuses."""
    buyer_answer_days: Positive
    """Days in which the buyer answers a protocol of disagreement."""
    extension_days: Count
    """Days that are added to the running step when a side extends it."""
    extensions_per_side: Count
    total_days: Positive
    """Days after the award by which every step and extension must end."""
    buyer_activates_from_rank: Annotated[int, Meta(ge=2)]
    """From this rank on, the cascade continues only if the buyer asks for it."""
    no_penalty_from_rank: Annotated[int, Meta(ge=2)]
    objections_per_contract: Count = 0
    """The most protocols of disagreement that the supplier may file."""
    changeable_terms: tuple[str, ...] = ()
    """The terms that a protocol may change. Price, quantity and item were fixed by the competition and can never
    change."""
    performance_days: Positive = 20
    """Days from the draft until everything is delivered, if the draft names no date."""
    grounds: tuple[RefusalGround, ...] = ()
    """The closed list of grounds. A refusal without one of them is never justified."""
    dispute_days: Positive = 5
    """Days in which the other side may dispute a justified ground."""
    dispute_decision_days: Positive = 10
    security: PerformanceSecurity | None = None

    def __post_init__(self) -> None:
        if unknown := set(self.changeable_terms) - TERMS.keys():
            raise ValueError(f"a draft has no terms {sorted(unknown)}")
        if len({ground.code for ground in self.grounds}) < len(self.grounds):
            raise ValueError("every ground has a code of its own")

    def grounds_of(self, side: str) -> tuple[RefusalGround, ...]:
        return tuple(ground for ground in self.grounds if side in ground.sides)


class ExecutionRules(Rules, frozen=True, kw_only=True):
    """Rules from signature to closure. Lengths are in working days."""

    acceptance_days: Positive
    """Days in which the buyer accepts or refuses a delivery."""
    silence_accepts: bool
    """True: a delivery that the buyer did not answer in time counts as accepted. False: it is overdue and still
    waits."""
    payment_days: Positive
    """Days in which the buyer pays or disputes an invoice."""
    receipt_days: Positive
    """Days in which the supplier confirms that it received the money."""
    answer_days: Positive
    """Days in which the other side answers a dispute or a proposal to end the contract. A moderator decides only after
    that."""
    decision_days: Positive
    """Days in which a moderator decides a dispute, counted from its opening."""
    notice_days: Positive
    """Days in which a side can remedy its breach before the other may end the contract because of it."""
