"""OCDS in and out: reads what other markets published, and publishes what happened in this one.

``ocds`` implements the standard and does not depend on this service. ``reading`` reads long files in several processes,
``intake`` imports what was read, ``telling`` publishes it to the market in the bundles of ``bundling``, and ``refusals``
writes what was not understood to a file.

In:  lonja.accounts (names and addresses of parties), lonja.auctions, lonja.contracts Out: lonja.transparency
(ReleasePublished), lonja.imports Tables: originals, sources, imported_organisations, told (imports); parties,
disclosed_bids, auctions (replicas); releases (the feed), process_parties (the roles that releases gave), feed_figures
"""
