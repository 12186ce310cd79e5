"""A policy with all its parts."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

from catalogue.calendar import RegionCalendar
from catalogue.policy.advice import RecommendationRules
from catalogue.policy.auction import AuctionRules
from catalogue.policy.bounds import KINDS, Currency, Percent, Rules, Sentence, Title, between
from catalogue.policy.buying import PoolRules, PurchaseRules, QuoteRules
from catalogue.policy.cards import USUAL, CatalogueRules
from catalogue.policy.contract import ContractRules, ExecutionRules
from catalogue.policy.observatory import USUAL_OBSERVATORY, ObservatoryRules
from catalogue.policy.sanctions import Sanctions


class Policy(Rules, frozen=True, kw_only=True, omit_defaults=True):
    """The numbers of one jurisdiction. Amounts of money are in ``currency``; ``source`` cites the law or regulation.

    A part that a preset leaves out is also left out of the stored policy, because the former release, which runs beside
    this one, may not know it. Therefore the defaults here must never change: an auction or contract follows the stored
    policy until its end, and another default would change its rules while it runs.
    """

    name: Title
    title: Title
    source: Sentence
    currency: Currency
    vat_percent: Percent = Decimal(20)
    """The VAT rate that forms propose, and that applies to a price without a stated rate."""
    working_day_minutes: Annotated[int, between(1, 24 * 60)] | None = None
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

    def due(self, since: datetime, days: int, calendar: RegionCalendar) -> datetime:
        """Return the end, in UTC, of a step of ``days`` working days that began at ``since``."""
        if self.working_day_minutes is None:
            return calendar.add_working_days(since, days)
        return since + timedelta(minutes=self.working_day_minutes * days)

    def vat_rate(self, stated: Decimal | None) -> Decimal:
        """Return the VAT rate of a price, in percent: the rate that it states, or ``vat_percent`` if it states none. All
        ways of buying use this, because a price without a rate can be compared with no reference price."""
        return self.vat_percent if stated is None else stated

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of purchases that this market has: those of its live auctions. A market without live auctions
        has all kinds."""
        return self.auction.kinds() or tuple(sorted(KINDS))
