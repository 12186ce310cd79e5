"""Use cases of the catalogue, one module per noun, and in this module the reactions to events of others."""

from events.accounts import OrganisationRegistered, OrganisationStateChanged
from infra.database import Transaction
from infra.reactions import Reactions
from services.catalogue import store
from services.catalogue.handlers.offers import end_all
from services.catalogue.store.endings import EndingOffers

reactions = Reactions(store.references.reactions)
reactions.many(OrganisationRegistered, store.organisations.put_all)


@reactions.on(OrganisationStateChanged)
async def change_state(tx: Transaction, event: OrganisationStateChanged) -> None:
    """End the offers of a supplier that is suspended or closed. They do not return when the suspension ends."""
    await store.organisations.set_states(tx, [event])
    if event.state != "active":
        await end_all(tx, EndingOffers(of="supplier", subject=event.organisation_id, reason="supplier-suspended"))
