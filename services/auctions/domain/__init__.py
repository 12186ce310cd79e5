"""Mini-auctions: the pure part (docs/rules.md section 3). No I/O, no clock; whatever varies is an argument.

opening     may this auction be opened, and as what
auction     the state, and how it follows from what happened
bids        the verdict on each bid
scoring     what bids are ranked on
autobid     automatic cuts down to a floor
rounds      sealed first bids and turns
due         what the clock does: cuts, rounds, restart
remedies    deletion, outage, withdrawal, cancellation
closing     the result
complaints  a supplier says what is wrong, a moderator decides
chain       the log as a hash chain
merkle      the market's log as a tree, from the hashes of its subtrees
audit       the public log judged again
picture     the descent of the price as a chart
"""
