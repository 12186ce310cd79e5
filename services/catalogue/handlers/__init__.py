"""Use cases of the catalogue by noun, and here its reactions to what others announce."""

from events import Event, Message
from events.accounts import OrganisationStateChanged
from infra.database import Transaction
from infra.service import Handler
from services.catalogue import store
from services.catalogue.handlers.offers import end_offers


async def on_state(tx: Transaction, message: Message) -> None:
    """Who is suspended or closed offers no more; a suspension that ends brings no offer back."""
    event = message.event
    assert isinstance(event, OrganisationStateChanged)
    await store.organisations.set_state(await tx.raw(), event)
    if event.state != "active":
        ending = await store.standing_of_supplier(tx, event.organisation_id)
        await end_offers(tx, ending, "supplier-suspended")


HANDLERS: dict[type[Event], Handler] = {
    **store.organisations.handlers,
    **store.references.handlers,
    OrganisationStateChanged: on_state,
}
