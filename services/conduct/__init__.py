"""Conduct: who broke contracts it won or awarded is suspended, and every organisation's public record is kept (docs/rules.md section 4).

In:  ``lonja.accounts`` (registered, state changed), ``lonja.contracts`` (drafted, concluded, ended, breached, and what happened while a
     contract was carried out)
Out: ``lonja.contracts`` (sanctioned, appealed, appeal decided): a topic is the place of what is told, not of who tells it
Tables: breaches, sanctions, facts and performed (the public record); replicas: organisations, contracts (as a record names them),
orders, deliveries, disputes (what was ordered and accepted, and what is disputed).
"""
