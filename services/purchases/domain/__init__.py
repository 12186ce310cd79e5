"""What may be bought straight from an offer, and how its supplier answers (docs/rules.md section 4)."""
