"""What fulfilment shows: how a contract is carried out, and disputes."""
