"""Writing the log. Everything that decides about auctions (the lane, a timer, a buyer) writes through this module.

A fact becomes a line of its auction's hash chain, a row, and an event; the auction's row follows. In sealed turns
verdicts are held back: their events are published with the fact that ends the turn.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import asyncpg
import msgspec

from events.auctions import AuctionClosed, BidDisclosed, RoundBegan, TurnEnded
from infra.causality import Cause, current_cause
from infra.ids import new_id
from infra.outgoing import OF_A_CONSEQUENCE, EventLimits, Outgoing, outbox_row
from services.auctions.domain import chain
from services.auctions.domain.auction import AuctionState, Fact, Verdict
from services.auctions.store import auctions, bids, facts
from services.auctions.store.auctions import StoredAuction, Unchanged
from services.auctions.store.bids import StoredVerdict


class JournalFact(msgspec.Struct, frozen=True):
    """A fact that is to be written into the log, and its cause."""

    fact: Verdict | Fact
    cause: Cause


class Written(msgspec.Struct, frozen=True):
    """``after`` is the auction with its new lines. ``kept`` are the verdicts among them, ``heads`` has the hash of
    every new line."""

    after: StoredAuction
    kept: list[StoredVerdict]
    facts: list[facts.LoggedFact]
    outgoing: list[Outgoing]
    heads: list[bytes]


def entries(of: Iterable[Verdict | Fact]) -> list[JournalFact]:
    """Return the entries with the present cause."""
    cause = current_cause()
    return [JournalFact(fact, cause) for fact in of]


def chained(
    stored: StoredAuction,
    new: Sequence[JournalFact],
    state: AuctionState,
    now: datetime,
    limits: EventLimits = OF_A_CONSEQUENCE,
) -> Written:
    """Return the next lines of an auction's log. ``state`` is the auction's state after them. Raise OutOfBounds or
    EventTooLarge."""
    written = Written(stored, [], [], [], [])
    head, number = stored.head, stored.lines
    sealed, result = stored.state.sealed, stored.result
    for entry in new:
        fact = entry.fact
        event, event_id = (fact.event, fact.bid.bid_id) if isinstance(fact, Verdict) else (fact, new_id())
        row = outbox_row("auctions", event, at=now, cause=entry.cause, event_id=event_id, limits=limits)
        if isinstance(fact, Verdict):
            written.kept.append(StoredVerdict(fact, number, head, row[3], sealed))
        else:
            written.facts.append(facts.LoggedFact(event.subject, number, event.TYPE, row[3], head))
        if isinstance(fact, AuctionClosed):
            result = fact
        if not (sealed and isinstance(fact, Verdict)):
            written.outgoing.append(row)
        head = chain.link(head, chain.line(event.TYPE, row[3]))
        written.heads.append(head)
        number += 1
    after = msgspec.structs.replace(
        stored, state=state, lines=number, head=head, result=result, version=stored.version + 1
    )
    return Written(after, written.kept, written.facts, written.outgoing, written.heads)


async def write(
    db: asyncpg.Connection,
    written: Sequence[Written],
    now: datetime,
    disclosed: Iterable[BidDisclosed] = (),
    only_if: Unchanged | None = None,
) -> None:
    """Write the rows and events of all auctions. Live pages and the relay are notified with the commit. Raise Outdated
    if ``only_if`` does not hold."""
    kept = [each for one in written for each in one.kept]
    new_facts = [each for one in written for each in one.facts]
    revealed = [
        one.after.opened.auction_id
        for one in written
        if one.after.state.shown is not None and any(_reveals(each) for each in one.facts)
    ]
    outgoing = []
    if revealed:
        outgoing += [_late(each, now) for each in await bids.publish_withheld(db, revealed)]
    cause = current_cause()
    outgoing += [outbox_row("auctions", each, at=now, cause=cause, event_id=new_id()) for each in disclosed]
    outgoing += [row for one in written for row in one.outgoing]
    announcements = [announcement(one.after) for one in written]
    await auctions.save(
        db,
        [one.after for one in written],
        verdicts=kept,
        other=new_facts,
        outgoing=outgoing,
        announcements=announcements,
        only_if=only_if,
    )


def channel(auction_id: str) -> str:
    """Return the live channel of an auction. Its messages are ``{"version": n}``."""
    return f"auction:{auction_id}"


def announcement(stored: StoredAuction) -> str:
    """Return the announcement as :meth:`infra.database.Transaction.announce` would write it."""
    said = {"channel": channel(stored.opened.auction_id), "data": {"version": stored.version}}
    return msgspec.json.encode(said).decode()


def _reveals(fact: facts.LoggedFact) -> bool:
    return fact.type in (RoundBegan.TYPE, TurnEnded.TYPE, AuctionClosed.TYPE)


def _late(kept: StoredVerdict, now: datetime) -> Outgoing:
    """Return the event of a verdict that was held back, with its bytes in the log."""
    event_id, topic, envelope, _ = outbox_row(
        "auctions", kept.verdict.event, at=now, cause=current_cause(), event_id=kept.verdict.bid.bid_id
    )
    return Outgoing(event_id, topic, envelope, kept.data)
