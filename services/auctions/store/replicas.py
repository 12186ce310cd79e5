"""What other services told."""

from infra.replicas import Organisations, ReferencePrices, Skus
from services.auctions.store.rows import Row

organisations = Organisations(Row.metadata)
skus = Skus(Row.metadata)
references = ReferencePrices(Row.metadata)
