"""The demonstration: a cast, goods and a market day, played through the public JSON API as any client would; only staff and last year's
contracts, which no route makes, go in by the database.

``client`` the API · ``cast`` who and what (market.toml) · ``seed`` fills an empty market, ``demo_market`` is what it has made ·
``history`` its past · ``auctions`` how long sessions last · ``day`` plays a market day · ``report`` what a day came to ·
``cli`` `lonja demo` · ``simulate`` `lonja simulate`.
To change the cast or the goods, edit market.toml.
"""
