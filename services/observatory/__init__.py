"""Observatory: the prices at which things are really bought. It collects the prices of contracts, offers, bids and
quotes, and publishes reference prices that list every observation as kept or dropped, and why (docs/rules.md section
7).

Topics in: ``lonja.contracts``, ``lonja.catalogue``, ``lonja.auctions``, ``lonja.quotes``. Out: ``lonja.observatory``.
Tables: ``items``, ``listed`` (their words and categories, for the search), ``observations`` (one for each priced line),
``withdrawn`` (ended contracts, withdrawn offers), ``snapshots`` (immutable references), ``verdicts`` (the result for
an observation, from one version to another), ``judged`` (the observation as it was judged), ``rolling`` (months, kept
by the Faust view), ``numbers`` (the numbers of the policy by which items are judged), ``ends_due`` (items whose
former references end). Flow: ``intake`` events → observations · ``handlers`` store them and mark items · ``timers``
judge due items · ``views`` for pages and API · ``agents`` the rolling view.
"""
