"""Who bid: for observers, once the session is over (docs/rules.md section 0). Nobody else, the buyer included, ever learns more than the
winner's name."""

from decimal import Decimal

import asyncpg
import msgspec

from catalogue.rules import RuleBroken
from services.auctions.store import replicas
from services.auctions.store.auctions import StoredAuction


class StillAnonymous(RuleBroken):
    """The session has not been closed."""

    code = "still-anonymous"


class Bidder(msgspec.Struct, frozen=True, kw_only=True):
    """``amount`` is the last bid that stands, None where the only one was deleted."""

    participant: int
    supplier_id: str
    supplier_name: str
    amount: Decimal | None


async def bidders(db: asyncpg.Connection, stored: StoredAuction) -> list[Bidder]:
    """By participant number. Raises StillAnonymous."""
    if stored.result is None:
        raise StillAnonymous("Who bids is told to observers once the session is closed.")
    participants = stored.state.participants
    names = await replicas.organisations.names(db, participants)
    return [
        Bidder(
            participant=participant.number,
            supplier_id=supplier_id,
            supplier_name=names[supplier_id],
            amount=participant.last.amount if participant.last else None,
        )
        for supplier_id, participant in sorted(participants.items(), key=lambda each: each[1].number)
    ]
