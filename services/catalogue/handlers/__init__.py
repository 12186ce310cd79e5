"""Use cases of the catalogue by noun, and here its reactions to what others announce."""

from events import Event, Message
from events.accounts import OrganisationRegistered, OrganisationStateChanged
from events.observatory import ReferencePricePublished, ReferencePriceWithdrawn
from infra.database import Transaction
from infra.service import Handler
from services.catalogue import store
from services.catalogue.handlers.offers import end_offers


async def on_organisation(tx: Transaction, message: Message) -> None:
    event = message.event
    assert isinstance(event, OrganisationRegistered)
    await store.put_organisation(tx, event)


async def on_state(tx: Transaction, message: Message) -> None:
    """Who is suspended or closed offers no more; a suspension that ends brings no offer back."""
    event = message.event
    assert isinstance(event, OrganisationStateChanged)
    await store.set_state(tx, event.organisation_id, event.state)
    if event.state != "active":
        ending = await store.standing_of_supplier(tx, event.organisation_id)
        await end_offers(tx, ending, "supplier-suspended")


async def on_reference(tx: Transaction, message: Message) -> None:
    event = message.event
    assert isinstance(event, ReferencePricePublished)
    if event.sku_id is not None:
        await store.put_reference(tx, event)


async def on_reference_withdrawn(tx: Transaction, message: Message) -> None:
    event = message.event
    assert isinstance(event, ReferencePriceWithdrawn)
    await store.drop_reference(tx, event.reference_id)


HANDLERS: dict[type[Event], Handler] = {
    OrganisationRegistered: on_organisation,
    OrganisationStateChanged: on_state,
    ReferencePricePublished: on_reference,
    ReferencePriceWithdrawn: on_reference_withdrawn,
}
