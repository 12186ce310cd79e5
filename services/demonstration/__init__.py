"""The demonstration: a cast, goods and a market day, played through the public JSON API like any client. Only staff and
last year's contracts, which no route can make, are written into the database.

``client`` the API · ``cast`` players and goods (market.toml) · ``seed`` fills an empty market, ``demo_market`` is the
result · ``history`` contracts of the past · ``auctions`` the lengths of auctions · ``day`` plays a market day ·
``report`` the results of a day · ``cli`` `lonja demo` · ``simulate`` `lonja simulate`. To change the cast or the goods,
edit market.toml.
"""
