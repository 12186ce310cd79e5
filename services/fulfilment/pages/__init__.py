"""Pages of fulfilment."""
