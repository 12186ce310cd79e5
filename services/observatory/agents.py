"""The rolling months, kept by Faust: every priced line as it comes, once for each event.

They are rebuilt by replay (``lonja rebuild observatory.rolling``), so they hold what the log holds: a corrected contract is
counted twice, once as it was and once as it is. The reference price corrects itself; this view shows the stream.
Offers are left out: they are asked, not paid, and stand for months.
"""

from collections.abc import Mapping

from events import Event, Message
from events.auctions import BidDisclosed
from events.contracts import AwardMade, ContractConcluded
from infra.database import Transaction
from infra.reactions import from_handlers
from infra.service import Handler, View
from services.observatory import intake, store
from services.observatory.domain import entry
from services.observatory.intake import Seen


async def on_contract(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, ContractConcluded)
    await _add(tx, intake.of_contract(message.event))


async def on_award(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, AwardMade)
    await _add(tx, intake.of_award(message.event))


async def on_bid(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, BidDisclosed)
    await _add(tx, intake.of_bid(message.event, message.envelope.time))


async def _add(tx: Transaction, seen: Seen) -> None:
    found = [made for one in seen.observations if (made := entry(one)) is not None]
    if found:
        await store.add_to_months(tx, seen.origin, found)


HANDLERS: Mapping[type[Event], Handler] = {ContractConcluded: on_contract, AwardMade: on_award, BidDisclosed: on_bid}
VIEWS = (View("observatory.rolling", from_handlers(HANDLERS), store.forget_months),)
