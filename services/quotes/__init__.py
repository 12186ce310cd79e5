"""Quick quotes (purchase by need): a buyer says what it needs, suppliers send sealed quotes until the deadline, and the
buyer chooses among participants without names. If the choice is not the cheapest, the buyer must say why (docs/rules.md
section 3, last rule).

Topics in: ``lonja.accounts`` (who is active), ``lonja.catalogue`` (SKUs), ``lonja.observatory`` (reference prices),
``lonja.contracts`` (what became of the choice). Out: ``lonja.quotes``.

Tables: quote_requests (state), quotes (the latest version of each quote), versions (every version of every quote);
replicas organisations, skus, reference_prices.
"""
