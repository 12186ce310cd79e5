"""The event of the service fulfilment that the service contracts needs for its lists. All events about orders,
deliveries, invoices and disputes, which every service may read, are in the topic of contracts."""

from events.bounds import Key
from events.codec import Event, event


@event(key="process_id")
class ExecutionOver(Event, frozen=True, kw_only=True):
    """A contract was carried out (``status`` closed), or ended before that (``status`` terminated)."""

    process_id: Key
    contract_id: Key
    status: Key
