"""Pools: agencies buy together. A lead fixes the terms, members enrol, the demand is frozen and bought in one
mini-auction, and its result is divided into one contract for each member (docs/rules.md section 5).

Topics in: ``lonja.accounts`` (who is an active buyer), ``lonja.catalogue`` (SKUs), ``lonja.observatory`` (reference
prices), ``lonja.auctions`` (opened, refused, closed), ``lonja.contracts`` (drafted, concluded, ended). Out:
``lonja.pools``.

Tables: pools (state), log (what happened, from which the state follows), contracts (the newest of each member);
replicas organisations, skus, reference_prices.
"""
