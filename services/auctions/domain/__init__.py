"""Mini-auctions: the pure part (docs/rules.md section 3). It has no I/O and no clock; everything that varies is an
argument.

opening     may this auction be opened, and as what
auction     the state, and how it follows from the log
bids        the verdict on each bid
rungs       what a bid must be below, in words, and the amounts to offer
scoring     the value by which bids are ranked
autobid     automatic cuts down to a floor
rounds      sealed first bids and turns
due         what becomes due: cuts, rounds, restart
remedies    deletion, outage, withdrawal, cancellation
closing     the result
complaints  a supplier files a complaint, a moderator decides
chain       the log as a hash chain
merkle      the market's log as a tree, from the hashes of its subtrees
audit       the public log checked again by the rules
picture     the fall of the price as a chart
"""
