"""From award to signature, and on to closure."""

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
"""What a draft of a contract says besides its lines, in words; delivery-time is a date."""


class RefusalGround(Rules, frozen=True, kw_only=True):
    """A ground on which a side may refuse to sign. Where it is ``justified`` and holds, the refusal is no breach."""

    code: str
    title: str
    sides: Annotated[tuple[Literal["supplier", "buyer"], ...], Meta(min_length=1)]
    justified: bool = True


class Bracket(Rules, frozen=True, kw_only=True):
    up_to: Decimal
    """Of the contract's amount, included."""
    amount: Decimal
    """The least security."""


class PerformanceSecurity(Rules, frozen=True, kw_only=True):
    """What a supplier puts up before it signs; the last bracket holds for everything above it too."""

    kinds: tuple[str, ...]
    brackets: Annotated[tuple[Bracket, ...], Meta(min_length=1)]
    valid_days: Count
    """Calendar days that it outlasts the end of performance."""

    def __post_init__(self) -> None:
        if unknown := set(self.kinds) - KINDS:
            raise ValueError(f"there is no kind {sorted(unknown)}")
        limits = [bracket.up_to for bracket in self.brackets]
        if limits != sorted(set(limits)) or any(bracket.amount < 0 for bracket in self.brackets):
            raise ValueError("brackets rise in up_to, and no amount is below zero")

    def due(self, kind: str, amount: Decimal) -> Decimal:
        """The least security for a contract of that amount; 0 where none is due."""
        if kind not in self.kinds:
            return Decimal(0)
        fitting = (bracket for bracket in self.brackets if amount <= bracket.up_to)
        return next(fitting, self.brackets[-1]).amount


class ContractRules(Rules, frozen=True, kw_only=True):
    """From award to signature; lengths in working days."""

    supplier_offer_days: Positive
    """The winner signs the generated offer."""
    buyer_draft_days: Positive
    supplier_signature_days: Positive
    """The supplier signs, objects or refuses."""
    buyer_answer_days: Positive
    """The buyer answers a protocol of disagreement."""
    extension_days: Count
    """Added to a running step when a side extends."""
    extensions_per_side: Count
    total_days: Positive
    """From the award; no step and no extension ends later."""
    buyer_activates_from_rank: Annotated[int, Meta(ge=2)]
    """From this rank on the cascade waits for the buyer instead of going on by itself."""
    no_penalty_from_rank: Annotated[int, Meta(ge=2)]
    objections_per_contract: Count = 0
    """Protocols of disagreement that the supplier may file."""
    changeable_terms: tuple[str, ...] = ()
    """What a protocol may change; never price, quantity or item, for these were fixed by the competition."""
    performance_days: Positive = 20
    """From the draft on until everything is delivered, where the draft names no day."""
    grounds: tuple[RefusalGround, ...] = ()
    """The closed list; a refusal on none of them is never justified."""
    dispute_days: Positive = 5
    """The other side says that a justified ground does not hold."""
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
    """From signature to closure; lengths in working days."""

    acceptance_days: Positive
    """The buyer accepts or refuses a delivery."""
    silence_accepts: bool
    """A delivery that the buyer did not answer in time counts as accepted; else it is overdue and waits."""
    payment_days: Positive
    """The buyer pays or disputes an invoice."""
    receipt_days: Positive
    """The supplier confirms that the money came."""
    answer_days: Positive
    """The other side answers a dispute, or a proposal to end the contract; it is heard before a moderator decides."""
    decision_days: Positive
    """A moderator decides a dispute, from its opening."""
    notice_days: Positive
    """So long a side has to mend its breach before the other may end the contract on it."""
