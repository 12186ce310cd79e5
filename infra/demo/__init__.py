"""The demonstration: a cast, goods and a market day, all of it through the public JSON API, as any client would do it.

``client`` the API · ``cast`` who and what (market.toml) · ``seed`` fills an empty market ·
``history`` its past · ``day`` plays a market day · ``report``
what a day came to. To change the cast or the goods, edit market.toml.
"""
