"""Pools: agencies buy together. A lead fixes the terms, members enrol, the demand is frozen and sourced in one mini-auction,
and its result is shared out into one contract for each member (DOMAIN section 5).

Topics in: ``lonja.auctions``, ``lonja.contracts``, ``lonja.observatory``. Out: ``lonja.pools``.
Tables: pools, members, and a replica of reference prices.
"""
