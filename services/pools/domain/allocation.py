"""Who gets how much of one line: whole packs, firm before tolerance, and fair when there is too little (docs/rules.md section 5)."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

import msgspec

from catalogue.money import apportion


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """What one member wants of a line, in units: ``firm`` above zero, and the extra it would take."""

    member_id: str
    firm: Decimal
    tolerance: Decimal
    enrolled_at: datetime

    @property
    def turn(self) -> tuple[datetime, str]:
        """The order of enrolment; ties go to the smaller id."""
        return self.enrolled_at, self.member_id


def from_firm(want: Want, pack: Decimal) -> Decimal:
    """Units in whole packs out of the firm quantity alone. Things in packs of 1 are sold loose: exactly the firm quantity."""
    return want.firm if pack == 1 else want.firm // pack * pack


def wanted(want: Want, pack: Decimal) -> Decimal:
    """Units: the whole packs of the firm quantity, and one more if what remains of it and the tolerance reach a pack together.
    Never a pack from tolerance alone."""
    whole = from_firm(want, pack)
    remainder = want.firm - whole
    completed = remainder > 0 and remainder + want.tolerance >= pack
    return whole + pack if completed else whole


def allocate(wants: Collection[Want], *, pack: Decimal, supply: Decimal | None = None) -> dict[str, Decimal]:
    """Units for each member id, whole packs. Without ``supply`` (units), or with enough, all get what they want.

    Scarce: the packs of firm quantities first, then those that tolerance completes, one by one in the order of enrolment.
    If the firm packs alone are too many, they are shared pro rata by largest remainder. Never more than the supply or
    than a member wants; the order of ``wants`` does not matter.
    """
    in_turn = sorted(wants, key=lambda want: want.turn)
    shares = {want.member_id: from_firm(want, pack) for want in in_turn}
    if supply is None:
        return {want.member_id: wanted(want, pack) for want in in_turn}
    step = _smallest(in_turn, supply) if pack == 1 else pack
    left = supply // step * step - sum(shares.values(), Decimal(0))
    if left < 0:
        scarce = apportion(supply // step * step, {want.turn: shares[want.member_id] for want in in_turn}, step)
        return {member_id: share for (_, member_id), share in scarce.items()}
    for want in in_turn:
        extra = wanted(want, pack) - shares[want.member_id]
        if 0 < extra <= left:
            shares[want.member_id] += extra
            left -= extra
    return shares


def _smallest(wants: Collection[Want], supply: Decimal) -> Decimal:
    """The finest step that these quantities are written in: 0.1 for 2.5 and 10."""
    exponents = [int(quantity.as_tuple().exponent) for quantity in (supply, *(want.firm for want in wants))]
    return Decimal(1).scaleb(min(0, *exponents))
