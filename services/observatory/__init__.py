"""Observatory: what things really cost. It collects the prices of contracts, offers, bids and quotes, and publishes
reference prices that list every observation as kept or dropped, and why (docs/rules.md section 7).

Topics in: ``lonja.contracts``, ``lonja.catalogue``, ``lonja.auctions``, ``lonja.quotes``. Out: ``lonja.observatory``.
Tables: ``items``, ``listed`` (their words and categories, for the search), ``observations`` (one a priced line), ``withdrawn`` (ended
contracts, offers taken back), ``snapshots`` (immutable references), ``verdicts`` (what was found of an observation, from one version to
another), ``judged`` (the observation as it was then), ``rolling`` (months, kept by the Faust view), ``numbers`` (of the policy, by which
items are judged).
Flow: ``intake`` events → observations · ``handlers`` keep them and mark items · ``timers`` judge what is due · ``views`` what pages
and API tell · ``agents`` the rolling view.
"""
