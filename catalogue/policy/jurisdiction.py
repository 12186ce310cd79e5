"""A policy with all its parts."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from catalogue.calendar import RegionCalendar
from catalogue.money import minor_units
from catalogue.policy.advice import RecommendationRules
from catalogue.policy.auction import AuctionRules
from catalogue.policy.bounds import FieldNotValid, Positive, Rules
from catalogue.policy.buying import PoolRules, PurchaseRules, QuoteRules
from catalogue.policy.cards import USUAL, CatalogueRules
from catalogue.policy.contract import ContractRules, ExecutionRules
from catalogue.policy.observatory import USUAL_OBSERVATORY, ObservatoryRules
from catalogue.policy.sanctions import Sanctions
from catalogue.rules import RuleBroken


class Policy(Rules, frozen=True, kw_only=True, omit_defaults=True):
    """The numbers of one jurisdiction. Amounts of money are in ``currency``; ``source`` cites the law or regulation.

    A part that a preset leaves out is also left out of the stored policy, because the former release, which runs beside
    this one, may not know it. Therefore the defaults here must never change: an auction or contract follows the stored
    policy until its end, and another default would change its rules while it runs.
    """

    name: str
    title: str
    source: str
    currency: str
    vat_percent: Decimal = Decimal(20)
    """The VAT rate that forms propose, and that applies to a price without a stated rate."""
    working_day_minutes: Positive | None = None
    """The length of a working day in a rehearsal, in minutes; None: the working days of the region calendar."""
    auction: AuctionRules
    contract: ContractRules
    pool: PoolRules
    purchase: PurchaseRules
    quote: QuoteRules | None = None
    """Rules for quick quotes; None: this market has no quick quotes."""
    sanctions: Sanctions | None = None
    """Rules for sanctions; None: this market has no sanctions."""
    catalogue: CatalogueRules = USUAL
    recommendation: RecommendationRules = RecommendationRules()
    observatory: ObservatoryRules = USUAL_OBSERVATORY
    execution: ExecutionRules = ExecutionRules(
        acceptance_days=20,
        silence_accepts=False,
        payment_days=7,
        receipt_days=5,
        answer_days=5,
        decision_days=10,
        notice_days=10,
    )

    def __post_init__(self) -> None:
        if not 0 <= self.vat_percent <= 100:
            raise FieldNotValid("vat_percent", "must lie between 0 and 100")
        try:
            minor_units(self.currency)
        except RuleBroken as error:
            raise ValueError(error.message) from None

    def due(self, since: datetime, days: int, calendar: RegionCalendar) -> datetime:
        """Return the end, in UTC, of a step of ``days`` working days that began at ``since``."""
        if self.working_day_minutes is None:
            return calendar.add_working_days(since, days)
        return since + timedelta(minutes=self.working_day_minutes * days)
