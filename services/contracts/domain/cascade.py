"""The cascade: who is asked when a supplier refuses or lapses, and at what price (docs/rules.md sections 4 and 5)."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from msgspec import structs

from catalogue.money import Money, split, unit_price
from catalogue.rules import RuleBroken
from events import Event
from events.values import Line
from services.contracts.domain.deals import Deal, latest, lost, offer
from services.contracts.domain.deciding import Deciding, RankedBid


class RankingIncomplete(RuleBroken):
    """The disclosed bids have not all arrived: events of the pool's and of the auction's topic have no common order."""

    code = "ranking-incomplete"


def next_bid(deal: Deal, ranking: Sequence[RankedBid]) -> RankedBid | None:
    """The bidder that the cascade asks next, or would ask if the running contract ended now; None if nobody is left."""
    contract = latest(deal)
    if deal.origin == "purchase":
        return None
    if not any(bid.rank == contract.rank and bid.supplier_id == contract.supplier_id for bid in ranking):
        raise RankingIncomplete(
            f"The ranking of {len(ranking)} bids does not have the supplier of rank {contract.rank}.",
            bids=len(ranking),
            rank=contract.rank,
        )
    later = [bid for bid in ranking if bid.rank > contract.rank and bid.active]
    return min(later, key=lambda bid: bid.rank, default=None)


def awaits_activation(deal: Deal, ranking: Sequence[RankedBid]) -> RankedBid | None:
    """The bidder that the buyer may bring in now: the supplier before it ended its contract, and the cascade waits for the buyer."""
    if deal.contract is None or deal.contract.ended_by != "supplier":
        return None
    return next_bid(deal, ranking)


def priced(lines: Sequence[Line], total: Money) -> tuple[Line, ...]:
    """The lines at that total: amounts in proportion to those they have, exact in sum, unit prices derived from them."""
    if total.amount == 0:
        shares = {line.line_id: total for line in lines}
    else:
        shares = split(total, {line.line_id: line.amount or Decimal(0) for line in lines})
    return tuple(
        structs.replace(
            line,
            amount=shares[line.line_id].amount,
            unit_price=unit_price(shares[line.line_id], line.quantity).amount if line.quantity else line.unit_price,
        )
        for line in lines
    )


def offer_to(deal: Deal, bid: RankedBid, deciding: Deciding) -> tuple[Event, ...]:
    """Offer the deal to this bidder; the former award is lost. The new amount is the deal's, times this bid over the first one, rounded to
    the minor unit. For an auction or a quote that equals the bid exactly. In a pool each member's deal is rounded alone, so the members'
    amounts may differ from the bid by some minor units in sum."""
    lowest = min(deciding.ranking, key=lambda each: each.rank)
    total = Money(deal.amount * bid.amount / lowest.amount, deal.currency).rounded()
    priced_bid = replace(bid, amount=total.amount, lines=bid.lines or priced(deal.lines, total))
    return (lost(deal), *offer(deal, priced_bid, deciding))
