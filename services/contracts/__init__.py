"""Contracts: an award becomes a contract in signed steps, or goes on to the next bidder (docs/rules.md section 4).

Topics in: ``lonja.accounts`` (registered, state changed), ``lonja.catalogue`` (SKUs published),
``lonja.auctions`` (opened, bids disclosed, closed), ``lonja.pools`` (opened, allocated), ``lonja.quotes``
(disclosed, closed), ``lonja.purchases`` (accepted; what waits for its supplier, for lists), ``lonja.fulfilment`` (over, for lists), its own
``lonja.contracts`` (concluded: it is to be carried out, by fulfilment; ended, disputes about refusals decided: who is in breach, for
conduct). Out: ``lonja.contracts``.
Tables: deals (state), contracts (one for each supplier asked, for lists and pages), refusals (that may be
disputed); replicas: organisations, skus, auctions, bids, pools, purchase_requests, purchases_answered, carried_out.
"""
