"""Purchases: a buyer accepts an offer as it is, and the supplier accepts or refuses the request before a deadline
(docs/rules.md section 4).

In:  ``lonja.accounts`` (registered, state changed), ``lonja.catalogue`` (SKUs and offers, published and archived),
 ``lonja.contracts`` (its own requests and answers)
Out: ``lonja.contracts`` (requested, answered), ``lonja.purchases`` (accepted, waits, waits no more)
Tables: purchases (state); replicas: organisations, skus, offers.
"""
