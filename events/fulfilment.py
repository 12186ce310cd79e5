"""The event that contracts needs for its lists. Producer: fulfilment. The events about orders, deliveries, invoices and
disputes, which all services may read, stay in the topic of contracts."""

from events.bounds import Key
from events.codec import Event, event


@event(key="process_id")
class ExecutionOver(Event, frozen=True, kw_only=True):
    """A contract was carried out, or ended before that: its ``status`` is closed or terminated."""

    process_id: Key
    contract_id: Key
    status: Key
