"""What a side may do with a running contract now, and which rule forbids the rest. Pages and programs offer choices by
it; no decision is made by it."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from catalogue.actors import Party
from catalogue.policy import RefusalGround
from catalogue.rules import RuleBroken
from events.contracts import Term
from events.values import Refusal
from services.contracts.domain import objections, security, terms
from services.contracts.domain.deals import PARTIES, SUPPLIER_SIGNATURE, Deal, latest, security_due
from services.contracts.domain.turns import extended_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """``grounds`` are those on which the side may refuse. ``extends_until`` is the new end if the side took more time
    for its step; it is None if the step is not its own, or if ``no_extension`` says why it may not. ``objects`` says
    whether the side may object now, ``no_objection`` why it may not. ``draft`` has the terms that hold if the buyer
    writes nothing. A security must be of at least ``security_due`` (0: none) and valid until at least
    ``security_valid_from``. An equivalent may replace at most ``equivalents_percent`` of a line (None: there are none).
    """

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
    """Return the choices, or None if the latest contract is no longer running."""
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
