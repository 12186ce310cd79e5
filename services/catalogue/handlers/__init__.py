"""Use cases of the catalogue by noun, and here its reactions to what others announce."""

from events.accounts import OrganisationRegistered, OrganisationStateChanged
from infra.database import Transaction
from infra.reactions import Reactions
from services.catalogue import store
from services.catalogue.handlers.offers import end_all
from services.catalogue.store.endings import Ending

reactions = Reactions(store.references.reactions)
reactions.many(OrganisationRegistered, store.organisations.put_all)


@reactions.on(OrganisationStateChanged)
async def change_state(tx: Transaction, event: OrganisationStateChanged) -> None:
    """Who is suspended or closed offers no more; a suspension that ends brings no offer back."""
    await store.organisations.set_states(tx, [event])
    if event.state != "active":
        await end_all(tx, Ending(of="supplier", subject=event.organisation_id, reason="supplier-suspended"))
