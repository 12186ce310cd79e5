"""Conduct: suspend organisations that broke contracts, and keep each organisation's public record (docs/rules.md
section 4).

In:  ``lonja.accounts`` (registered, state changed), ``lonja.contracts`` (drafted, concluded, ended, breached, and what happened while a
 contract was carried out)
Out: ``lonja.contracts`` (sanctioned, appealed, appeal decided): a topic holds the events about one kind of thing, whichever
 service emits them
Tables: breaches, sanctions, facts and performed (the public record); replicas: organisations, contracts (with what a record says about
 them), orders, deliveries, disputes (what was ordered and accepted, and what is disputed).
"""
