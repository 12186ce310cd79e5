"""Purchases: a buyer takes an offer as it stands, and its supplier says yes or no in time (docs/rules.md section 4).

In:  ``lonja.accounts`` (registered, state changed), ``lonja.catalogue`` (SKUs and offers, published and archived), ``lonja.contracts`` (its
     own requests and answers)
Out: ``lonja.contracts`` (requested, answered), ``lonja.purchases`` (accepted, waits, waits no more)
Tables: purchases (state); replicas: organisations, skus, offers.
"""
