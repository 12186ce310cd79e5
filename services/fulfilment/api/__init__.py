"""JSON of fulfilment."""
