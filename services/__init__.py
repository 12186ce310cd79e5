"""The services of the market, each a folder of one shape. To add one: its folder, its rows in events/topics.py, its name here.

Two rooms stand beside them: ``market``, what several of them know, and ``demonstration``, which plays them all.
"""

NAMES: tuple[str, ...] = (
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
    "transparency",
    "notifications",
    "portal",
)
