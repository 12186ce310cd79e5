"""The lengths of auctions for goods in this market, for everybody that plays in it."""

from catalogue.policy import Policy


class NoAuctions(Exception):
    """The market's policy has no live auction, so nothing can be played."""

    code = "no-auctions"


def lengths(policy: Policy) -> tuple[int, int]:
    """The lengths in minutes of the shortest auction, and of the longest for any price, among those that may begin at
    any hour; if there are none, among all. Raise NoAuctions."""
    offered = policy.auction.offered("goods")
    free = [each for each in offered if each.runs_within is None and each.starts_within is None] or offered
    if not free:
        raise NoAuctions(policy.auction.none_because or f"The policy {policy.name} has no mini-auctions for goods.")
    of_any_price = [each.minutes for each in free if each.max_initial_price is None]
    return min(each.minutes for each in free), max(of_any_price or [each.minutes for each in free])
