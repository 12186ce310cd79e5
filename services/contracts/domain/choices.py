"""What a side may do with a running contract now, and which rule forbids the rest: for pages and programs to offer, never to
decide by."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from catalogue.policy import RefusalGround
from catalogue.rules import RuleBroken
from events.contracts import Term
from events.values import Refusal
from services.contracts.domain import objections, security, terms
from services.contracts.domain.deals import PARTIES, SUPPLIER_SIGNATURE, Deal, Party, latest, security_due
from services.contracts.domain.turns import extended_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """``grounds`` to refuse on. ``extends_until`` is the new end if the side took more time for its step, None where that is not
    its own or ``no_extension`` says why not; ``objects`` whether it may object now, ``no_objection`` why not. ``draft`` is what a
    draft says that the buyer writes nothing into; a security is of ``security_due`` (0: none) and valid until
    ``security_valid_from`` at least; an equivalent stands for ``equivalents_percent`` of a line at most (None: there are none)."""

    grounds: tuple[RefusalGround, ...]
    extends_until: datetime | None
    no_extension: Refusal | None
    objects: bool
    no_objection: Refusal | None
    changeable: tuple[str, ...]
    draft: tuple[Term, ...]
    security_due: Decimal
    security_valid_from: date | None
    equivalents_percent: Decimal | None


def choices(deal: Deal, party: Party, now: datetime) -> Choices | None:
    """None where the latest contract does not run any more."""
    contract = latest(deal)
    if contract.step is None or contract.due_at is None or now >= contract.due_at:
        return None
    own = PARTIES[contract.step] == party
    extends_until: datetime | None = None
    no_extension: Refusal | None = None
    no_objection: Refusal | None = None
    if own and not contract.step_extended:
        try:
            extends_until = extended_until(deal, contract, party)
        except RuleBroken as broken:
            no_extension = Refusal.of(broken)
    signs = own and contract.step == SUPPLIER_SIGNATURE
    if signs:
        try:
            objections.require_allowed(deal, contract, now)
        except RuleBroken as broken:
            no_objection = Refusal.of(broken)
    rules = deal.policy.contract
    equivalents = deal.policy.auction.equivalents if deal.equivalents_allowed else None
    return Choices(
        grounds=rules.grounds_of(party),
        extends_until=extends_until,
        no_extension=no_extension,
        objects=signs and not no_objection,
        no_objection=no_objection,
        changeable=rules.changeable_terms,
        draft=terms.defaults(deal, now),
        security_due=security_due(deal, contract.amount),
        security_valid_from=security.valid_from(deal, contract),
        equivalents_percent=equivalents.max_percent if equivalents else None,
    )
