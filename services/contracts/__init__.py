"""Contracts: an award becomes a contract in signed steps, or goes on to the next bidder; and direct purchases (DOMAIN section 4).

Topics in: ``lonja.accounts``, ``lonja.catalogue``, ``lonja.auctions``, ``lonja.pools``. Out: ``lonja.contracts``.
"""
