"""What corrects an auction: the deletion of a bid, time for an outage, a withdrawal by the buyer, a cancellation by a
moderator."""

from __future__ import annotations

from datetime import datetime, timedelta

from catalogue.calendar import RegionCalendar
from catalogue.policy import Withdrawal
from catalogue.rules import Minutes, ReasonMissing, RuleBroken
from events.auctions import AuctionClosed, AuctionExtended, BidDeleted
from services.auctions.domain.auction import AuctionState
from services.auctions.domain.bids import AuctionOver
from services.auctions.domain.closing import AlreadyClosed, closed, require_not_stopped


class DeletionNotOffered(RuleBroken):
    """The policy allows no deletion of bids."""

    code = "deletion-not-offered"


class NothingToDelete(RuleBroken):
    code = "nothing-to-delete"


class DeletedBefore(RuleBroken):
    code = "deleted-before"


class TooLateToDelete(RuleBroken):
    """The seconds in which the policy allows a deletion are over."""

    code = "too-late-to-delete"


class TooLateToWithdraw(RuleBroken):
    code = "too-late-to-withdraw"


class OutsideWithdrawalHours(RuleBroken):
    code = "outside-withdrawal-hours"


def delete_last(state: AuctionState, supplier_id: str, now: datetime) -> BidDeleted:
    """Return the event by which a bidder deletes its own last bid, once, within the policy's number of seconds. The
    end stays where the bid moved it.

    Raise DeletionNotOffered, AuctionOver, NothingToDelete, DeletedBefore or TooLateToDelete.
    """
    seconds = state.rules.delete_seconds
    known = state.participants.get(supplier_id)
    if not seconds:
        raise DeletionNotOffered("A bid cannot be deleted here.")
    if state.over(now):
        raise AuctionOver(
            f"The mini-auction ended at {state.closes_at:%Y-%m-%d %H:%M:%S} UTC.", closes_at=state.closes_at, now=now
        )
    if known is None or known.last is None:
        raise NothingToDelete("You have no bid that could be deleted.")
    if known.deleted:
        raise DeletedBefore("You can delete one bid in a mini-auction, and you have done so.")
    if now - known.last.arrived_at > timedelta(seconds=seconds):
        raise TooLateToDelete(
            f"A bid may be deleted within {seconds} seconds; yours arrived at {known.last.arrived_at:%Y-%m-%d %H:%M:%S} UTC.",
            seconds=seconds,
            arrived_at=known.last.arrived_at,
            now=now,
        )
    return BidDeleted(
        auction_id=state.opened.auction_id,
        participant=known.number,
        sequence=known.last.sequence,
        deleted_at=now,
    )


def resume(state: AuctionState, since: datetime, until: datetime) -> AuctionExtended | None:
    """Return the extension that makes up for an outage, or None if the outage did not affect the auction.

    The auction gets more time than it lost. If its end fell into the outage, it goes on from ``until`` for the lost
    time and the policy's quarter of an hour. If one outage is reported twice, the auction gets its time once.
    """
    if state.resumed_at is not None:
        since = max(since, state.resumed_at)
    began = max(since, state.opened.opens_at)
    if state.closed or began >= until or state.closes_at <= since:
        return None
    rules = state.rules
    if state.closes_at > until:
        closes_at = state.closes_at + (until - began) + timedelta(seconds=rules.outage_margin_seconds)
    else:
        closes_at = until + (state.closes_at - began) + timedelta(seconds=rules.outage_lost_end_seconds)
    return AuctionExtended(
        auction_id=state.opened.auction_id, reason="outage", since=began, until=until, closes_at=closes_at
    )


def withdraw(
    state: AuctionState, reason: str, now: datetime, *, rules: Withdrawal, calendar: RegionCalendar
) -> AuctionClosed:
    """Return the event by which the buyer ends the auction without a winner. Raise what :func:`require_open` raises,
    ReasonMissing, TooLateToWithdraw or OutsideWithdrawalHours."""
    require_open(state)
    if not reason.strip():
        raise ReasonMissing(
            "Say why you withdraw the mini-auction. Bidders and the public can read it.", field="reason"
        )
    latest = state.closes_at - timedelta(minutes=rules.minutes_before_end)
    if now > latest:
        raise TooLateToWithdraw(
            f"A mini-auction may be withdrawn until {Minutes(rules.minutes_before_end)} before its end;"
            f" that was {latest:%Y-%m-%d %H:%M} UTC.",
            latest=latest,
            now=now,
            minutes=rules.minutes_before_end,
        )
    local, window = calendar.local(now), rules.window
    if window and not (calendar.is_working_day(local.date()) and window.first <= local.time() <= window.last):
        raise OutsideWithdrawalHours(
            f"A mini-auction may be withdrawn on a working day, {window.first:%H:%M}-{window.last:%H:%M} of the buyer's clock;"
            f" there it is {local:%A %H:%M}.",
            window=f"{window.first:%H:%M}-{window.last:%H:%M}",
            now=local,
        )
    return closed(state, "withdrawn", now, reason.strip())


def cancel(state: AuctionState, reason: str, now: datetime) -> AuctionClosed:
    """Return the event by which a moderator ends the auction, because a complaint was upheld. Raise
    ReasonMissing and what :func:`require_open` raises."""
    require_open(state)
    if not reason.strip():
        raise ReasonMissing("Say why you cancel the mini-auction.", field="reason")
    return closed(state, "cancelled", now, reason.strip())


def require_open(state: AuctionState) -> None:
    """Raise AuctionWithdrawn, AuctionCancelled or AlreadyClosed."""
    require_not_stopped(state)
    if state.closed:
        raise AlreadyClosed(
            f"The mini-auction was closed at {state.ended_at:%Y-%m-%d %H:%M:%S} UTC.", closes_at=state.ended_at
        )
