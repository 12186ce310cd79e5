"""Which open purchases fit which supplier, and which suppliers a buyer may invite. It applies the library `recommender`
to the data of the market.

Events feed copies of awards, suppliers, offers and open opportunities. Learning and ranking run in a child process
(`engine`, `work`), so that neither the event loop nor the bidding waits for them. A newly learned ranker is used only
if it measures no worse than the one in use and than every baseline; all measurements are public. Lists are made again
when something in them may have changed, and published only if something has changed.

In:  lonja.accounts, lonja.catalogue, lonja.auctions, lonja.pools, lonja.contracts, lonja.transparency
Out: lonja.recommender: RecommendationsMade, ModelTrained
Tables: suppliers, offers, skus, awards, opportunities (copies); lists, invitees, dismissals, trainings, work;
changes (openings that opened or closed and wait to be handled), trades (suppliers by the beginning of a declared category);
interest, co_purchases (Faust views, rebuilt by `lonja rebuild`)

`training` learns again · `recommending` makes the lists · `words` tells their reasons.
"""
