"""Data for the pages and the API of the recommender."""

from infra.denied import Missing, NotAllowed
from infra.service import Resources
from infra.tokens import Principal
from services.recommender.store import advice, openings
from services.recommender.store.advice import Invitee
from services.recommender.store.openings import OpenOpportunity

TRAININGS = 20
INVITED = 10


async def own_opening(
    resources: Resources, principal: Principal, opportunity_id: str
) -> tuple[OpenOpportunity, list[Invitee] | None]:
    """An opportunity of the member's organisation, and the suppliers to invite. They follow only from the history, not
    from who bids now. Raise Missing, NotAllowed."""
    async with resources.database.transaction("recommender") as tx:
        opening = await openings.opening(tx, opportunity_id)
        if opening is None:
            raise Missing("auction", opportunity_id)
        if opening.buyer_id != principal.organisation_id:
            raise NotAllowed("only its buyer may see whom to invite")
        return opening, await advice.invitees(tx, opening, INVITED)
