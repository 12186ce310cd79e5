"""OCDS in and out: reads what other markets published, and publishes what happened in this one.

``ocds`` knows the standard, and nothing of this service. ``reading`` reads a long file of it in several processes, ``intake`` imports
what was read, ``telling`` tells the market of it in the packs of ``packing``, and ``refusals`` writes what was not understood to a file.

In:  lonja.accounts (particulars of parties), lonja.auctions, lonja.contracts
Out: lonja.transparency (ReleasePublished), lonja.imports
Tables: originals, sources, imported_organisations, told (imports); parties, disclosed_bids, sessions (replicas); releases (the feed),
process_parties (the roles that releases gave), feed_figures
"""
