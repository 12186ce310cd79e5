"""The cascade: who is asked if a supplier refuses or lapses, when it waits for the buyer, and at what price (docs/rules.md
sections 4 and 5)."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from msgspec import structs

from catalogue.actors import Party
from catalogue.money import Money, split, unit_price
from catalogue.rules import RuleBroken
from events import Event
from events.contracts import CascadeAwaitsBuyer
from events.values import Line
from services.contracts.domain.deals import Deal, latest, lost, offer
from services.contracts.domain.deciding import Deciding, RankedBid


class RankingIncomplete(RuleBroken):
    """The disclosed bids have not all arrived. The events of the pools' topic and of the auctions' topic have no common
    order."""

    code = "ranking-incomplete"


def next_bid(deal: Deal, ranking: Sequence[RankedBid]) -> RankedBid | None:
    """Return the bidder that the cascade asks next, or would ask if the running contract ended now; None if nobody is
    left."""
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


def cascade(deal: Deal, ended_by: Party, deciding: Deciding) -> tuple[Event, ...]:
    """Return how the deal continues after the end of its latest contract.

    If the supplier ended it, the next bidder is asked. From the policy's ``buyer_activates_from_rank`` on, and always
    after a quick quote, whose winner the buyer chose, the cascade waits until the buyer asks for that bidder. The deal
    ends with the contract if the buyer ended it or nobody is left.
    """
    bid = next_bid(deal, deciding.ranking) if ended_by == "supplier" else None
    if bid is None:
        return ()
    if deal.origin != "quote" and bid.rank < deal.policy.contract.buyer_activates_from_rank:
        return offer_to(deal, bid, deciding)
    awaits = CascadeAwaitsBuyer(
        process_id=deal.process_id,
        contract_id=latest(deal).contract_id,
        pool_id=deal.pool_id,
        buyer_id=deal.buyer_id,
        next_rank=bid.rank,
    )
    return (awaits,)


def awaits_activation(deal: Deal, ranking: Sequence[RankedBid]) -> RankedBid | None:
    """Return the bidder that the buyer may ask now, because the supplier before it ended its contract and the cascade
    waits for the buyer; otherwise None."""
    if deal.contract is None or deal.contract.ended_by != "supplier":
        return None
    return next_bid(deal, ranking)


def priced(lines: Sequence[Line], total: Money) -> tuple[Line, ...]:
    """Return the lines priced for this total. Their amounts keep their proportions and sum up exactly; unit prices are
    derived from them."""
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
    """Offer the deal to this bidder; the former award is lost. The new amount is the deal's amount, multiplied by this
    bid and divided by the first one, rounded to the minor unit. For an auction or a quote it equals the bid exactly. In
    a pool each member's deal is rounded separately, so the sum of the members' amounts may differ from the bid by some
    minor units."""
    lowest = min(deciding.ranking, key=lambda each: each.rank)
    total = Money(deal.amount * bid.amount / lowest.amount, deal.currency).rounded()
    priced_bid = replace(bid, amount=total.amount, lines=bid.lines or priced(deal.lines, total))
    return (lost(deal), *offer(deal, priced_bid, deciding))
