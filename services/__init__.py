"""The services of the market; each is a folder of the same form. To add one, add its folder, its rows in
events/topics.py, and its name here.

There are two rooms beside them: ``market`` has what several services share, and ``demonstration`` plays a market with
all of them.
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
