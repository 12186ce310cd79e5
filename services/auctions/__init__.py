"""Mini-auctions: opened by a buyer or a pool, bid on by suppliers, closed with one winner (docs/rules.md section 3).

Reads lonja.accounts (who may open and bid), lonja.catalogue (SKUs), lonja.observatory (reference prices), lonja.pools
(openings asked for) and lonja.contracts (what was bought before, and for how much); writes lonja.auctions. Until the close a
bidder is a participant number wherever anybody looks.

Tables: auctions (what was opened, with its policy, and the small state that the row lock guards), bids (every bid with its
one verdict), facts (the lines of an auction's log that are not bids), complaints; leaves, subtrees and checkpoints (the market's log of
closed auctions); beats, pulse and blocked (when, and on which auctions, bids could be decided); and the replicas organisations, skus,
reference_prices, past_contracts, last_prices.

Bids go through ``lane.py``: one lane a web process decides whatever arrived while the last commit ran, in one transaction.
Live pages are told by ``auction:<id>`` announcements; ``board.py`` keeps what all watchers of an auction see, by version.

``judging`` decides a batch of bids · ``journal`` writes the log · ``outages`` gives lost time back · ``receipts`` sign lines of the log ·
``market_log`` proves closes · ``proof`` the file of a proof · ``bidders`` for observers · ``last_time`` what was paid before ·
``metrics`` counts bids.
"""
