"""Mini-auctions: a buyer or a pool opens one, suppliers bid, and it closes with one winner (docs/rules.md section 3).

Reads lonja.accounts (who may open and bid), lonja.catalogue (SKUs), lonja.observatory (reference prices), lonja.pools
(requested openings) and lonja.contracts (what was bought before, and for how much); writes lonja.auctions. Until the
close every reader sees a bidder only as a participant number.

Tables: auctions (what was opened, with its policy, and the small state that the row lock guards), bids (every bid with
its one verdict), facts (the lines of an auction's log that are not bids), complaints; leaves, subtrees and checkpoints
(the market's log of closed auctions); beats, pulse and blocked (when, and on which auctions, bids could be decided);
and the replicas organisations, skus, reference_prices, past_contracts, last_prices.

Bids go through ``lane.py``: each web process has one lane, which decides in one transaction everything that arrived
during the last commit. ``auction:<id>`` announcements inform live pages; ``board.py`` stores what all watchers of an
auction see, by version.

``judging`` decides a batch of bids · ``journal`` writes the log · ``outages`` gives lost time back · ``receipts`` signs
lines of the log · ``market_log`` proves closes · ``proof`` reads the file of a proof · ``bidders`` for observers ·
``last_time`` prices that were paid before · ``metrics`` counts bids.
"""
