"""Observatory: what things really cost. It collects the prices of contracts, offers, bids and quotes, and publishes
reference prices that list every observation as kept or dropped, and why (DOMAIN section 7).

Topics in: ``lonja.contracts``, ``lonja.catalogue``, ``lonja.auctions``. Out: ``lonja.observatory``.
Tables: observations, references (immutable snapshots), rolling figures.
"""
