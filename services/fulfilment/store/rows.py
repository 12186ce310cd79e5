"""The schema of fulfilment."""

from sqlmodel import SQLModel

from infra.database import schema_of


class Row(SQLModel, registry=schema_of("fulfilment")):
    """Of this schema."""
