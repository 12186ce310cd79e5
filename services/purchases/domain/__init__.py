"""What may be bought straight from an offer, and how its supplier answers (DOMAIN section 4)."""
