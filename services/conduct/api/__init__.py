"""JSON of conduct."""
