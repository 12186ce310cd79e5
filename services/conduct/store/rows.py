"""The schema of conduct."""

from sqlmodel import SQLModel

from infra.database import schema_of


class Row(SQLModel, registry=schema_of("conduct")):
    """Base class of all tables in this schema."""
