"""Whose turn it is: what is checked before every act of a side, and the end of every step in working days
(docs/rules.md section 4)."""

from datetime import datetime

from catalogue.actors import Party
from catalogue.rules import NotAParty, RuleBroken
from services.contracts.domain.deals import (
    BUYER_ANSWER,
    BUYER_DRAFT,
    PARTIES,
    SUPPLIER_OFFER,
    SUPPLIER_SIGNATURE,
    Contract,
    Deal,
    latest,
    step_days,
    total_end,
)


class StepOfOtherParty(RuleBroken):
    code = "step-of-other-party"


class UnknownStep(RuleBroken):
    """The procedure of this contract has no such step."""

    code = "unknown-step"


class StepOutOfOrder(RuleBroken):
    code = "step-out-of-order"


class DraftChanged(RuleBroken):
    """The draft that was read is not the draft that would be signed or refused."""

    code = "draft-changed"


class StepOverdue(RuleBroken):
    code = "step-overdue"


class ContractOver(RuleBroken):
    """The contract is concluded, has ended, or another supplier was asked since."""

    code = "contract-over"


class ExtensionUsedUp(RuleBroken):
    """A side may extend steps of a contract only a limited number of times."""

    code = "extension-used-up"


class ExtensionBeyondTotal(RuleBroken):
    """The steps after this one would no longer fit into the whole time."""

    code = "extension-beyond-total"


AFTER = {
    SUPPLIER_OFFER: (BUYER_DRAFT, SUPPLIER_SIGNATURE),
    BUYER_DRAFT: (SUPPLIER_SIGNATURE,),
    SUPPLIER_SIGNATURE: (),
    BUYER_ANSWER: (SUPPLIER_SIGNATURE,),
}
"""The steps that must still follow. An extension leaves them their full time."""


def current(deal: Deal, contract_id: str) -> Contract:
    contract = latest(deal)
    if contract.contract_id != contract_id:
        raise ContractOver("This contract has ended, and the next bidder was asked.", state="ended", rank=contract.rank)
    return contract


def party_of(deal: Deal, contract: Contract, organisation_id: str) -> Party:
    if organisation_id == deal.buyer_id:
        return "buyer"
    if organisation_id == contract.supplier_id:
        return "supplier"
    raise NotAParty(
        "Your organisation is neither the buyer nor the supplier of this contract.", field="organisation_id"
    )


def require_side(step: str, party: Party) -> None:
    if step not in PARTIES:
        raise UnknownStep(f"{step!r} is not a step of this contract.", field="step", step=step)
    if PARTIES[step] != party:
        raise StepOfOtherParty(
            f"The step {step} is the {PARTIES[step]}'s, not the {party}'s.", step=step, whose=PARTIES[step], party=party
        )


def require_running(contract: Contract, now: datetime) -> None:
    if contract.due_at is None:
        raise ContractOver(f"This contract is {contract.state} already.", state=contract.state)
    if now >= contract.due_at:
        raise StepOverdue(
            f"The step {contract.step} was due by {contract.due_at}; it is {now}.",
            step=contract.step,
            due_at=contract.due_at,
            now=now,
        )


def require_step(contract: Contract, step: str) -> None:
    if contract.step != step:
        raise StepOutOfOrder(
            f"The step “{_named(step)}” is not due now; the present step is “{_named(contract.step)}”.",
            field="step",
            step=step,
            due=contract.step,
        )


def _named(step: str | None) -> str:
    return (step or "none").replace("-", " ")


def require_version(contract: Contract, read: int | None) -> None:
    """Raise DraftChanged if the side read another version of the draft. ``read`` is the version that it read; pages of
    the former release do not send it (None)."""
    version = contract.version
    if read in (None, version):
        return
    if contract.state == "concluded":
        raise DraftChanged(
            f"You read another version of the draft. Version {version} is signed already.",
            version=version,
            signed=version,
        )
    if contract.state == "ended":
        raise DraftChanged(
            f"You read another version of the draft. Version {version} was refused.", version=version, refused=version
        )
    raise DraftChanged(
        f"The draft changed since you read it: version {version} is the present one. Read it.",
        version=version,
    )


def extended_until(deal: Deal, contract: Contract, party: Party) -> datetime:
    """Return the new end of the running step, if this side may still extend it. Raise ExtensionUsedUp or
    ExtensionBeyondTotal."""
    assert contract.step is not None and contract.due_at is not None, "only a running step is extended"
    rules = deal.policy.contract
    used = contract.extensions.count(party)
    if used >= rules.extensions_per_side:
        raise ExtensionUsedUp(
            f"A side may extend {_times(rules.extensions_per_side)} in a contract. The extensions of the {party}: {used}.",
            party=party,
            used=used,
            allowed=rules.extensions_per_side,
        )
    end = total_end(deal)
    wanted = deal.policy.due(contract.due_at, rules.extension_days, deal.calendar)
    following = sum(step_days(deal, step) for step in AFTER[contract.step])
    if following == 0:
        wanted = min(wanted, end)
    if wanted <= contract.due_at or deal.policy.due(wanted, following, deal.calendar) > end:
        raise ExtensionBeyondTotal(
            f"All steps end by {end}, {rules.total_days} working days after the award: with more time for this"
            " step the others would end later.",
            due_at=contract.due_at,
            wanted=wanted,
            total_end=end,
            days_after=following,
            total_days=rules.total_days,
        )
    return wanted


def _times(number: int) -> str:
    return {0: "never", 1: "once"}.get(number, f"{number} times")
