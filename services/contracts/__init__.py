"""Contracts: an award becomes a contract in signed steps, or goes on to the next bidder; and direct purchases (docs/rules.md section 4).

Topics in: ``lonja.accounts`` (registered, state changed), ``lonja.catalogue`` (SKUs published, offers published and archived),
``lonja.auctions`` (opened, bids disclosed, closed), ``lonja.pools`` (opened, allocated), ``lonja.quotes``
(disclosed, closed), its own ``lonja.contracts`` (concluded,
ended, disputes about refusals decided: for sanctions and the public record). Out: ``lonja.contracts``.
Tables: deals and purchases (state), contracts (one for each supplier asked, for lists and pages), refusals (that may be
disputed), executions and their events (how concluded ones are carried out), performed (what counts of that in the public
record), breaches, sanctions, facts (the public record); replicas: organisations, skus, offers, auctions, bids, pools.
"""
