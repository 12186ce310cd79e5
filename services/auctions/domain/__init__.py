"""Mini-auctions: the pure part (DOMAIN section 3). No I/O, no clock; whatever varies is an argument.

auction     the state, and how it follows from what happened
opening     may this auction be opened, and as what
references  which published price bounds a line
bids        the verdict on each bid
closing     the result
"""
