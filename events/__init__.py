"""The wire contract: what happened, in which topic, in which version.

To add an event
  1. In the module of the service that produces it (``contracts`` has a module per noun) write a frozen struct in the past tense, with a
     docstring, and decorate it ``@event(key="auction_id")``; ``key`` names the field that is the CloudEvents subject and the Kafka
     key, so all messages about the same thing keep their order. Its texts, lists and numbers have the types of :mod:`events.bounds`.
  2. Put a golden message in ``examples/<type>.json`` (``make schemas`` writes a first one for you to edit) and run ``make schemas``.
  3. List the consumers in :mod:`events.topics` and register their reactions (:mod:`infra.reactions`).

To change an event: an additional field with a default keeps the version. Anything else is a new class with ``version=N+1``; the old
class stays, with an ``upcast`` method that returns the next version's value, and the old example must still decode.

This package imports nothing but the standard library and msgspec.
"""

from events import (
    accounts,
    auctions,
    catalogue,
    contracts,
    fulfilment,
    imports,
    notifications,
    observatory,
    pools,
    purchases,
    quotes,
    recommender,
    transparency,
)
from events.codec import Event, Message, UnknownEvent, UnknownVersion, decode, encode, event, registry
from events.envelope import Envelope, MalformedEvent

__all__ = [
    "Envelope",
    "Event",
    "MalformedEvent",
    "Message",
    "UnknownEvent",
    "UnknownVersion",
    "accounts",
    "auctions",
    "catalogue",
    "contracts",
    "decode",
    "encode",
    "event",
    "fulfilment",
    "imports",
    "notifications",
    "observatory",
    "pools",
    "purchases",
    "quotes",
    "recommender",
    "registry",
    "transparency",
]
