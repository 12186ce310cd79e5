"""Who bid: for observers, once the auction is over (docs/rules.md section 0). Everybody else, including the buyer,
learns only the winner's name."""

from decimal import Decimal

import asyncpg
import msgspec

from catalogue.rules import RuleBroken
from services.auctions.store import replicas
from services.auctions.store.auctions import StoredAuction


class StillAnonymous(RuleBroken):
    """The auction is not closed yet."""

    code = "still-anonymous"


class Bidder(msgspec.Struct, frozen=True, kw_only=True):
    """``amount`` is the last bid that was not deleted, or None if there is none."""

    participant: int
    supplier_id: str
    supplier_name: str
    amount: Decimal | None


async def bidders(db: asyncpg.Connection, stored: StoredAuction) -> list[Bidder]:
    """Return the bidders by participant number. Raise StillAnonymous."""
    if stored.result is None:
        raise StillAnonymous("Observers can see who bid once the mini-auction is closed.")
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
