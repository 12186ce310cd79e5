"""The schema of fulfilment."""

from sqlmodel import SQLModel

from infra.database import schema_of


class Row(SQLModel, registry=schema_of("fulfilment")):
    """Base class of all tables in this schema."""
