"""Deterministic simulation: the market's own code, thousands of times, on time and servers that are only played.

What runs is real: the bidding lane, the journal, the clock, relay, inbox and consumer, and the domains of auctions and contracts.
What is played: the event loop's time (:mod:`loop`), PostgreSQL (:mod:`database`: tables, transactions, row locks) and Kafka
(:mod:`broker`: partitions, groups, offsets). Whatever waits for one of these may find its process killed, its connection cut, its
message lost, doubled or late; one seed decides all of it, so one seed is one story, told again by
``python -m tests.simulation --seed N``.

That the played servers and the real ones do the same is held by ``tests/infra/test_road_alike.py`` for the road, and by
``tests/services/auctions/test_auction_store_alike.py`` for the stores.
"""
