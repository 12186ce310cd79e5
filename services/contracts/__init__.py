"""Contracts: an award becomes a contract in signed steps, or goes on to the next bidder; and direct purchases (DOMAIN section 4).

Topics in: ``lonja.accounts`` (registered, state changed), ``lonja.catalogue`` (SKUs published, offers published and archived),
``lonja.auctions`` (opened, bids disclosed, closed), ``lonja.pools`` (opened, allocated), ``lonja.quotes``
(disclosed, closed), its own ``lonja.contracts`` (concluded: it is carried out;
ended, disputes about refusals decided: who is in breach, for conduct). Out: ``lonja.contracts``.
Tables: deals and purchases (state), contracts (one for each supplier asked, for lists and pages), refusals (that may be
disputed), executions and their events (how concluded ones are carried out); replicas: organisations, skus, offers, auctions, bids, pools.
"""
