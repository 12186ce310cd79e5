"""What fulfilment tells contracts, for its lists. Producer: fulfilment. What everybody hears of orders, deliveries, invoices and disputes
stays among the events of contracts, where it always was."""

from events.bounds import Key
from events.codec import Event, event


@event(key="process_id")
class ExecutionOver(Event, frozen=True, kw_only=True):
    """A contract was carried out, or ended before: its ``status`` is closed or terminated."""

    process_id: Key
    contract_id: Key
    status: Key
