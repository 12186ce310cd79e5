"""What other markets published. Producer: transparency.

An import brings it by the ten thousand, so it has a topic of its own, whose readers let the events of this market go first.
"""

from events.accounts import OrganisationRegistered
from events.auctions import BidDisclosed
from events.bounds import Key, Many
from events.codec import Event, event
from events.contracts import AwardMade, ContractConcluded, ContractEnded
from events.transparency import TenderImported


@event(key="organisation_id")
class OrganisationImported(Event, frozen=True, kw_only=True):
    """An organisation of another market is known, with all that was read of it so far. Seen again, the later one holds."""

    organisation_id: Key
    organisation: OrganisationRegistered


@event(key="process_id")
class ProcessImported(Event, frozen=True, kw_only=True):
    """A process of another market, or what is new of it: the same facts that native processes bring, each once.

    What was told before and has not changed is left out. A large process comes in several of these, one after the other.
    """

    process_id: Key
    tender: TenderImported | None = None
    bids: Many[BidDisclosed] = ()
    awards: Many[AwardMade] = ()
    contracts: Many[ContractConcluded] = ()
    endings: Many[ContractEnded] = ()
    """Of contracts that were cancelled after their conclusion."""
