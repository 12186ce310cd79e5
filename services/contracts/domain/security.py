"""Performance security: what a supplier of works or services must provide before it signs (docs/rules.md section 4)."""

from datetime import date, timedelta
from typing import get_args

from catalogue.numbers import written_out
from catalogue.rules import RuleBroken, Several
from events.contracts import Security
from services.contracts.domain.deals import Contract, Deal, SecurityKind, security_due
from services.contracts.domain.terms import performed_by


class SecurityMissing(RuleBroken):
    code = "security-missing"


class SecurityNotDue(RuleBroken):
    code = "security-not-due"


class SecurityKindUnknown(RuleBroken):
    code = "security-kind-unknown"


class SecurityUnnamed(RuleBroken):
    """Without its number nobody can look up the security."""

    code = "security-unnamed"


class SecurityTooSmall(RuleBroken):
    code = "security-too-small"


class SecurityTooShort(RuleBroken):
    code = "security-too-short"


def valid_from(deal: Deal, contract: Contract) -> date | None:
    """Return the earliest day until which a security must be valid, or None if the draft names no end of performance."""
    rules, end = deal.policy.contract.security, performed_by(contract.terms)
    return end + timedelta(days=rules.valid_days) if rules is not None and end is not None else None


def described(contract: Contract) -> str:
    """Return the security in words, for the refusal of a repeat with another one."""
    named = contract.security
    if named is None:
        return "no performance security"
    return f"{named.kind} {named.reference}, {written_out(named.amount, ',f')}, {named.valid_until}"


def checked(deal: Deal, contract: Contract, named: Security | None) -> Security | None:
    """Return the security that the supplier named, if it is enough; None if none is due. Raise a RuleBroken of this
    module."""
    due = security_due(deal, contract.amount)
    if due == 0:
        if named is not None:
            raise SecurityNotDue("No performance security is due for this contract.", field="security")
        return None
    if named is None:
        raise SecurityMissing(
            f"Before you sign, name a performance security of at least {due:,f} {deal.currency}.",
            field="security-amount",
            due=due,
            currency=deal.currency,
        )
    if named.kind not in get_args(SecurityKind):
        raise SecurityKindUnknown(
            f"The kind of a security must be one of {Several(get_args(SecurityKind))}, not {named.kind!r}.",
            field="security-kind",
            kinds=Several(get_args(SecurityKind)),
            kind=named.kind,
        )
    if not named.reference.strip():
        raise SecurityUnnamed("Give the number of the guarantee or of the payment.", field="security-reference")
    if not named.amount.is_finite() or named.amount < due:
        raise SecurityTooSmall(
            f"At least {due:,f} {deal.currency} are due, not {written_out(named.amount, ',f')}.",
            field="security-amount",
            amount=named.amount,
            due=due,
            currency=deal.currency,
        )
    least = valid_from(deal, contract)
    if least is not None and named.valid_until < least:
        raise SecurityTooShort(
            f"It must be valid until at least {least}, not {named.valid_until}.",
            field="security-valid-until",
            valid_until=named.valid_until,
            least=least,
        )
    return named
