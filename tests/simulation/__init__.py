"""Deterministic simulation: the market's own code runs thousands of times with simulated time and simulated servers.

Real are the bidding lane, the journal, the timer of auctions, relay, inbox and consumer, and the domains of auctions
and contracts. Simulated are the event loop's time (:mod:`loop`), PostgreSQL (:mod:`database`: tables, transactions, row
locks) and Kafka (:mod:`broker`: partitions, groups, offsets). While code waits for one of these, its process may be
killed, its connection cut, its message lost, doubled or late. One seed decides all of it, so one seed is one story,
which ``python -m tests.simulation --seed N`` repeats.

``tests/infra/test_road_alike.py`` checks that simulated and real servers do the same for the road, and
``tests/services/auctions/test_auction_store_alike.py`` checks it for the stores.
"""
