"""A made-up market to try things in: its cast and goods (market.toml), the seeding of an empty market, and a simulated day.

Everything goes through the HTTP API, as any client would do it.
"""
