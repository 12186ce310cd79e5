"""The rules of quick quotes, pure.

``request`` the state and how facts change it · ``opening`` what may be asked for, and for how long · ``quoting`` sealed quotes until
the deadline · ``choosing`` the buyer's choice, or none.

Nothing of a quote is an event before the request is closed: until then :class:`~request.QuoteSealed` and
:class:`~request.QuoteWithdrawn` are facts that stay in the service.

The rules of quoting see one supplier's quote, whatever others there are. Only the choice compares them, by what they come to (a
:class:`~request.Comparison`).
"""
