"""Replicas of what other services announced."""

from services.auctions.store.rows import Row
from services.market.replicas import OrganisationReplicas, ReferencePrices, Skus

organisations = OrganisationReplicas(Row.metadata)
skus = Skus(Row.metadata)
references = ReferencePrices(Row.metadata)
