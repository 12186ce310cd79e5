"""Who gets how much of one line: whole packs, firm quantities before tolerance, and a fair division if there is too
little (docs/rules.md section 5)."""

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal

import msgspec

from catalogue.money import apportion


class Want(msgspec.Struct, frozen=True, kw_only=True):
    """What one member wants of a line, in units: the ``firm`` quantity, above zero, and the further quantity that it
    would take."""

    member_id: str
    firm: Decimal
    tolerance: Decimal
    enrolled_at: datetime

    @property
    def turn(self) -> tuple[datetime, str]:
        """Return the order of enrolment. If two enrolled at the same time, the smaller id is first."""
        return self.enrolled_at, self.member_id


def from_firm(want: Want, pack: Decimal) -> Decimal:
    """Return the units of whole packs in the firm quantity. A pack of 1 means that the goods are sold loose: then
    it is exactly the firm quantity."""
    return want.firm if pack == 1 else want.firm // pack * pack


def wanted(want: Want, pack: Decimal) -> Decimal:
    """Return the units of whole packs in the firm quantity, plus one pack if the remainder and the tolerance together
    fill it. Without a remainder of the firm quantity the tolerance adds no pack."""
    whole = from_firm(want, pack)
    remainder = want.firm - whole
    completed = remainder > 0 and remainder + want.tolerance >= pack
    return whole + pack if completed else whole


def allocate(wants: Collection[Want], *, pack: Decimal, supply: Decimal | None = None) -> dict[str, Decimal]:
    """Return the units by member id, in whole packs. Without ``supply`` (units), or if there is enough, everybody gets
    what it wants.

    If there is too little, the packs of firm quantities come first, then the packs that tolerance completes, one by one
    in the order of enrolment. If the firm packs are already too many, they are divided in proportion, by largest
    remainder. The result never exceeds the supply or what a member wants. The order of ``wants`` does not matter.
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
    """Return the finest decimal step in which these quantities are written: 0.1 for 2.5 and 10."""
    exponents = [int(quantity.as_tuple().exponent) for quantity in (supply, *(want.firm for want in wants))]
    return Decimal(1).scaleb(min(0, *exponents))
