"""The home page: what this market is, what is open now, and the latest contracts.

It owns no data and decides nothing; its tables are small copies that events feed, and can be deleted and filled again
by replay.

In:  lonja.accounts, lonja.auctions, lonja.pools, lonja.contracts
Out: nothing
Tables: openings (auctions and pools), contracts and their totals by currency, suppliers
"""
