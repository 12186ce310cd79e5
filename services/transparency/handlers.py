"""Reactions to events of this market, which publish releases.

A release is made from its event and from earlier events. Events of one process come in order; the data of its
organisations, from another topic, may come later, and then appear from the next release on. Events that arrive together
need only a few statements, because the hundreds of contracts of a pool come at once.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

import msgspec

from events.accounts import OrganisationRegistered
from events.auctions import AuctionClosed, AuctionExtended, AuctionOpened, BidAccepted, BidDisclosed, RoundBegan
from events.codec import Message
from events.quotes import QuoteDisclosed
from events.transparency import ReleasePublished
from infra.causality import Cause
from infra.database import Transaction
from infra.reactions import Reactions, cause_of
from services.transparency import store
from services.transparency.ocds import happened, outgoing, outgoing_quotes
from services.transparency.ocds.happened import HAPPENED, Happened
from services.transparency.ocds.history import Dates, ReleaseHistory, Roles
from services.transparency.ocds.parts import date


async def keep_parties(tx: Transaction, events: Sequence[OrganisationRegistered]) -> None:
    await store.keep_parties(tx, [event for event in events if event.source is None])


async def keep_bids(tx: Transaction, events: Sequence[BidDisclosed]) -> None:
    await store.keep_bids(tx, [event for event in events if event.source is None])


async def keep_quotes(tx: Transaction, events: Sequence[QuoteDisclosed]) -> None:
    await store.keep_bids(tx, [outgoing_quotes.as_bid(event) for event in events])


async def follow_ends(tx: Transaction, messages: Sequence[Message]) -> None:
    """Store the new end of the auction. Only few bids change it, and nothing else of a bid is stored."""
    ends = {}
    for event in (message.event for message in messages):
        if isinstance(event, AuctionExtended | RoundBegan) or (isinstance(event, BidAccepted) and event.extended):
            ends[event.auction_id] = event.closes_at
    if ends:
        await store.move_ends(tx, ends)


class _News(msgspec.Struct, frozen=True):
    """An event whose release is not in the feed."""

    event: Happened
    at: datetime
    cause: Cause


async def publish(tx: Transaction, messages: Sequence[Message]) -> None:
    """Publish a release for each event, in order, except those that are in the feed already."""
    news = await _fresh(tx, messages)
    if not news:
        return
    events = [each.event for each in news]
    await _follow_auctions(tx, events)
    bids = await store.disclosed_bids(tx, ids) if (ids := {*filter(None, map(happened.auction_of, events))}) else {}
    known = await store.parties(tx, {each for event in events for each in happened.organisations_of(event)})
    history = ReleaseHistory(await store.earlier_releases(tx, {*filter(None, map(happened.asked_of, events))}))
    made = []
    for each in news:
        of_auction = bids.get(happened.auction_of(each.event) or "", ())
        release = happened.release(each.event, each.at, known, of_auction, history)
        if release is not None:
            history.add(release)
            made.append((store.New(happened.process_of(each.event), release, each.at), each.cause))
    await _add(tx, made)


async def _fresh(tx: Transaction, messages: Iterable[Message]) -> list[_News]:
    """The events whose release is not in the feed, each once."""
    news: dict[str, _News] = {}
    for message in messages:
        event = cast(Happened, message.event)
        if happened.is_ours(event):
            news.setdefault(happened.release_id_of(event), _News(event, message.envelope.time, cause_of(message)))
    there = await store.in_feed(tx, news) if news else set()
    return [each for release_id, each in news.items() if release_id not in there]


async def _follow_auctions(tx: Transaction, events: Sequence[Happened]) -> None:
    if opened := [event for event in events if isinstance(event, AuctionOpened)]:
        await store.open_auctions(tx, opened)
    if closed := [event.auction_id for event in events if isinstance(event, AuctionClosed)]:
        await store.close_auctions(tx, closed)


async def lock_moved(tx: Transaction, but: Sequence[str]) -> list[store.Auction]:
    """Auctions whose end moved, locked. Publishing does not wait for them."""
    await store.lock_feed(tx)
    return await store.lock_moved(tx, 100, but)


async def tell_ends(tx: Transaction, moved: Sequence[store.Auction]) -> None:
    """Publish the current ends of these auctions. A timer calls it, because many bids may move an end within
    seconds."""
    releases = [outgoing.tender_extended(each.process_id, each.opens_at, each.closes_at, tx.now) for each in moved]
    made = zip(moved, releases, strict=True)
    await _add(tx, [(store.New(each.process_id, release, tx.now), tx.cause) for each, release in made])
    await store.set_told(tx, [each.auction_id for each in moved])


async def _add(tx: Transaction, made: Sequence[tuple[store.New, Cause]]) -> None:
    """Add releases to the feed, each with all roles of its parties and a unique date in its process, and publish the
    events. Releases that are there already are skipped."""
    if not made:
        return
    named = {(new.release["ocid"], party["id"]) for new, _ in made for party in new.release.get("parties", ())}
    roles = Roles(await store.roles_before(tx, named))
    await store.lock_feed(tx)
    dates = Dates(await store.last_dates(tx, {new.release["ocid"] for new, _ in made}))
    complete = []
    for new, _ in made:
        at = dates.next(new.release["ocid"], new.released_at)
        release = roles.all_in(new.release) | {"date": date(at)}
        complete.append(msgspec.structs.replace(new, release=release, released_at=at))
    added = await store.publish(tx, complete)
    for new, cause in zip(complete, (cause for _, cause in made), strict=True):
        if new.release["id"] in added:
            added.remove(new.release["id"])
            tx.emit(_published(new), cause=cause)


def _published(new: store.New) -> ReleasePublished:
    return ReleasePublished(
        process_id=new.process_id,
        ocid=new.release["ocid"],
        release_id=new.release["id"],
        tags=tuple(new.release["tag"]),
        released_at=new.released_at,
    )


reactions = Reactions()
reactions.many(OrganisationRegistered, keep_parties)
reactions.many(BidDisclosed, keep_bids)
reactions.many(QuoteDisclosed, keep_quotes)
reactions.together(follow_ends, AuctionExtended, RoundBegan, BidAccepted)
reactions.together(publish, *HAPPENED)
