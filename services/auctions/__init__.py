"""Mini-auctions: opened by a buyer or a pool, bid on by suppliers, closed with one winner (DOMAIN section 3)."""
