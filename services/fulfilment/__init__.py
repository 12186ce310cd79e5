"""Fulfilment: a concluded contract is carried out, from its orders to its closure (docs/rules.md section 4).

In:  ``lonja.contracts`` (concluded: the names that pages show; due: it begins; closed and terminated, which either release emits)
Out: ``lonja.contracts`` (ordered, delivered, assessed, invoiced, paid, settled, withdrawn, overdue, disputed, ending proposed and
 answered, closed, terminated, and ended with reason cancelled), ``lonja.fulfilment`` (over)
Tables: executions and execution_events (the history); replica: contracts (the names that pages show).
"""
