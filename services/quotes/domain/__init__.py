"""The rules of quick quotes, without side effects.

``request`` the state and how facts change it · ``opening`` what a request may ask for, and for how long · ``quoting``
sealed quotes until the deadline · ``choosing`` the buyer's choice, or none.

No part of a quote is an event before the request is closed: until then :class:`~request.QuoteSealed` and
:class:`~request.QuoteWithdrawn` are facts that stay in the service.

The rules of quoting see only one supplier's quote. Only the choice compares quotes, by their totals (a
:class:`~request.Comparison`).
"""
