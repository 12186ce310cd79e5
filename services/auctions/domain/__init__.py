"""Mini-auctions: the pure part (DOMAIN section 3). No I/O, no clock; whatever varies is an argument.

auction   the state, and how it follows from what happened
opening   may this auction be opened, and as what
bids      the verdict on each bid
closing   the result
refusals  a broken rule as the fact that is published
"""
