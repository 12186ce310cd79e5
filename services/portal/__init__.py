"""The home page: what this market is, what is open now, what was concluded last.

It owns nothing and decides nothing; its tables are small copies fed by events, and can be dropped and filled again by replay.

In:  lonja.accounts, lonja.auctions, lonja.pools, lonja.contracts
Out: nothing
Tables: openings (auctions and pools), contracts and their totals by currency, suppliers
"""
