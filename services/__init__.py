"""The services of the market, each a folder of one shape. To add one: its folder, its rows in events/topics.py, its name here."""

NAMES: tuple[str, ...] = (
    "accounts",
    "catalogue",
    "auctions",
    "pools",
    "quotes",
    "contracts",
    "observatory",
    "recommender",
    "transparency",
    "notifications",
    "portal",
)
