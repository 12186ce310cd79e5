"""What may be bought directly from an offer, and how its supplier answers (docs/rules.md section 4)."""
