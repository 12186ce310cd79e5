"""The one table of topics: who writes, who reads, how long it is kept, by what it is ordered.

Topics of facts are kept for ever (retention -1): every view, replica and model can be rebuilt by replay. Dead letters and lists of
recommendations are not facts.
"""

from collections.abc import Iterable

import msgspec

SERVICES = (
    "accounts",
    "catalogue",
    "auctions",
    "pools",
    "quotes",
    "contracts",
    "purchases",
    "fulfilment",
    "conduct",
    "observatory",
    "recommender",
    "notifications",
    "transparency",
)
FORMER = {"purchases": "contracts", "fulfilment": "contracts", "conduct": "contracts"}
"""Which service did the work of these in the former release; it may still run. The release after this one has none of them."""


DAY_MS = 86_400_000
DEAD_LETTERS_DAYS = 30
LISTS_DAYS = 90
"""Of recommendations: a list is made anew whenever an opening comes or goes, for every supplier, and the newest alone counts."""


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """``key`` says in words what orders the messages; ``retention_ms`` -1 is for ever.

    A ``bulk`` topic fills by the ten thousand at once. Its readers have consumers of their own, which let all others go first.
    """

    name: str
    key: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    partitions: int = 4
    retention_ms: int = -1
    bulk: bool = False


TOPICS = (
    Topic(
        name="lonja.accounts",
        key="organisation",
        producers=("accounts",),
        consumers=(
            "accounts",
            "auctions",
            "pools",
            "contracts",
            "purchases",
            "conduct",
            "recommender",
            "notifications",
            "transparency",
            "catalogue",
            "portal",
            "quotes",
        ),
    ),
    Topic(
        name="lonja.catalogue",
        key="SKU",
        producers=("catalogue",),
        consumers=("auctions", "pools", "contracts", "purchases", "observatory", "recommender", "quotes"),
    ),
    Topic(
        name="lonja.auctions",
        key="auction, or pool for a refused opening",
        producers=("auctions",),
        consumers=("pools", "contracts", "observatory", "recommender", "transparency", "portal"),
    ),
    Topic(
        name="lonja.pools",
        key="pool",
        producers=("pools",),
        consumers=("auctions", "contracts", "recommender", "portal"),
    ),
    Topic(
        name="lonja.quotes",
        key="quote request",
        producers=("quotes",),
        consumers=("contracts", "observatory", "recommender", "transparency", "portal"),
    ),
    Topic(
        name="lonja.contracts",
        key="process (auction, quote request, pool or purchase), or organisation for a sanction",
        producers=("contracts", "purchases", "fulfilment", "conduct"),
        consumers=(
            "accounts",
            "auctions",
            "pools",
            "quotes",
            "contracts",
            "purchases",
            "fulfilment",
            "conduct",
            "observatory",
            "recommender",
            "notifications",
            "transparency",
            "portal",
        ),
    ),
    # Contracts did not read these before there were purchases and fulfilment: a former release is given none of them.
    Topic(name="lonja.purchases", key="purchase", producers=("purchases",), consumers=("contracts",)),
    Topic(name="lonja.fulfilment", key="process", producers=("fulfilment",), consumers=("contracts",)),
    Topic(
        name="lonja.observatory",
        key="priced item",
        producers=("observatory",),
        consumers=("catalogue", "auctions", "pools", "quotes"),
    ),
    Topic(
        name="lonja.recommender",
        key="supplier or model",
        producers=("recommender",),
        consumers=("notifications",),
        retention_ms=LISTS_DAYS * DAY_MS,
    ),
    # Nobody of ours listens yet: it is the record of what was mailed to whom.
    Topic(name="lonja.notifications", key="member", producers=("notifications",), consumers=()),
    Topic(name="lonja.transparency", key="process", producers=("transparency",), consumers=("recommender",)),
    Topic(
        name="lonja.imports",
        key="bucket of processes of other markets, or of organisations",
        producers=("transparency",),
        consumers=("accounts", "observatory", "recommender", "portal"),
        bulk=True,
    ),
    Topic(
        name="lonja.dead-letters",
        key="as the message that failed",
        producers=("every consumer",),
        consumers=("lonja dead-letters",),
        partitions=1,
        retention_ms=DEAD_LETTERS_DAYS * DAY_MS,
    ),
)

LARGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes that every topic takes in one message."""
DEAD_LETTERS = "lonja.dead-letters"


def topic(name: str) -> Topic:
    """The row of one topic. KeyError if there is none: a topic not in the table does not exist."""
    return next((row for row in TOPICS if row.name == name), None) or _unknown(name)


def by_bulk(names: Iterable[str]) -> list[tuple[bool, list[str]]]:
    """The topics apart by whether they are bulk; a part without topics is left out."""
    found = [(bulk, [name for name in names if topic(name).bulk is bulk]) for bulk in (False, True)]
    return [(bulk, part) for bulk, part in found if part]


def read_by(service: str) -> list[str]:
    """The live topics that a service reads."""
    return [row.name for row in TOPICS if service in row.consumers and not row.bulk]


def _unknown(name: str) -> Topic:
    raise KeyError(f"no topic {name!r}; add it to events/topics.py")
