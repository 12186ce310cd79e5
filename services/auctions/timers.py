"""The close: an auction whose effective end and settle window have passed gets its result."""

import logging

import msgspec

from catalogue.rules import RuleBroken
from events.auctions import AuctionClosed
from infra.database import Transaction
from infra.service import Timer
from services.auctions.domain.auction import apply
from services.auctions.domain.closing import close
from services.auctions.lane import channel
from services.auctions.store import auctions, bids

log = logging.getLogger(__name__)
AT_ONCE = 100


async def close_due(tx: Transaction) -> int:
    """Close what is due. The row lock keeps bids out until the commit; afterwards they find the auction closed."""
    db = await tx.raw()
    closed = []
    for stored in await auctions.lock_due(db, tx.now, AT_ONCE):
        auction_id = stored.opened.auction_id
        try:
            facts = close(stored.state, await bids.last_of_each(db, auction_id), tx.now)
        except RuleBroken:
            log.exception("auction %s cannot be closed; it stays due", auction_id)
            continue
        for fact in facts:
            tx.emit(fact)
        result = facts[-1]
        assert isinstance(result, AuctionClosed)
        after = msgspec.structs.replace(
            stored, state=apply(stored.state, result), result=result, version=stored.version + 1
        )
        closed.append(after)
        await tx.announce(channel(auction_id), {"version": after.version})
    if closed:
        await auctions.save(db, closed)
    return len(closed)


TIMERS = (Timer("close", 0.5, close_due),)
