"""The tables of accounts. Passwords and secrets are stored only here, as hashes."""

from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Numeric, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from infra.database import schema_of


class Row(SQLModel, registry=schema_of("accounts")):
    """Base of the rows of this schema."""


Value = TypeVar("Value", bound=msgspec.Struct)


WORDS = "to_tsvector('simple', name)"
"""The expression by which the register is searched."""


class OrganisationRow(Row, table=True):
    __tablename__ = "organisations"
    __table_args__ = (
        Index(
            "uq_organisations_own_identifier",
            "identifier_scheme",
            "identifier",
            unique=True,
            postgresql_where=text("not imported and identifier <> ''"),
        ),
        Index(None, "imported", "name"),
        Index("ix_organisations_words", text(WORDS), postgresql_using="gin"),
    )

    organisation_id: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(sa_type=Text)
    roles: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    state: str = Field(sa_type=Text)
    identifier_scheme: str = Field(sa_type=Text)
    identifier: str = Field(sa_type=Text)
    place: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    time_zone: str = Field(sa_type=Text)
    language: str = Field(sa_type=Text)
    categories: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    suspended_until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True), index=True)
    imported: bool
    registered_at: datetime = Field(sa_type=DateTime(timezone=True))
    state_reason: str | None = Field(default=None, sa_type=Text)
    reason_of: str | None = Field(default=None, sa_type=Text)
    """The state to which the reason belongs, because a former release changes the state without the reason."""


class SuspensionRow(Row, table=True):
    """One reason why an organisation is suspended, with its end; a lifted suspension ends at the time at which it was
    lifted."""

    __tablename__ = "suspensions"

    organisation_id: str = Field(primary_key=True, sa_type=Text)
    suspension_id: str = Field(primary_key=True, sa_type=Text)
    reason: str = Field(sa_type=Text)
    until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class MemberRow(Row, table=True):
    __tablename__ = "members"

    member_id: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(sa_type=Text, foreign_key="accounts.organisations.organisation_id", index=True)
    name: str = Field(sa_type=Text)
    email: str = Field(sa_type=Text, unique=True)
    roles: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    language: str = Field(sa_type=Text)
    password: str = Field(sa_type=Text)
    joined_at: datetime = Field(sa_type=DateTime(timezone=True))


class InvitationRow(Row, table=True):
    __tablename__ = "invitations"
    __table_args__ = (Index(None, "organisation_id", "expires_at"),)

    digest: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(sa_type=Text)
    name: str = Field(sa_type=Text)
    email: str = Field(sa_type=Text)
    roles: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    language: str = Field(sa_type=Text)
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))


class JoiningRow(Row, table=True):
    """An invitation that was used, so that its link can say so to a later visitor. ``member_id`` is the person who
    joined by it, None if that was in the former release."""

    __tablename__ = "joinings"

    digest: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(sa_type=Text)
    member_id: str | None = Field(sa_type=Text)
    joined_at: datetime = Field(sa_type=DateTime(timezone=True), index=True)


class ApiKeyRow(Row, table=True):
    __tablename__ = "api_keys"

    key_id: str = Field(primary_key=True, sa_type=Text)
    member_id: str = Field(sa_type=Text, foreign_key="accounts.members.member_id", index=True)
    name: str = Field(sa_type=Text)
    digest: str = Field(sa_type=Text, unique=True)
    made_at: datetime = Field(sa_type=DateTime(timezone=True))
    used_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    revoked_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class TryRow(Row, table=True):
    __tablename__ = "tries"

    try_id: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    email: str = Field(sa_type=Text, index=True)
    address: str = Field(sa_type=Text, index=True)
    tried_at: datetime = Field(sa_type=DateTime(timezone=True), index=True)


class ContractRow(Row, table=True):
    __tablename__ = "contracts"
    __table_args__ = (
        Index("ix_contracts_of_buyer", "buyer_id", text("signed_at desc"), "contract_id"),
        Index("ix_contracts_of_supplier", "supplier_id", text("signed_at desc"), "contract_id"),
    )

    contract_id: str = Field(primary_key=True, sa_type=Text)
    process_id: str = Field(sa_type=Text)
    buyer_id: str = Field(sa_type=Text, index=True)
    buyer_name: str = Field(sa_type=Text)
    supplier_id: str = Field(sa_type=Text, index=True)
    supplier_name: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    currency: str | None = Field(default=None, sa_type=Text)
    amount: Decimal | None = Field(default=None, sa_type=Numeric)
    signed_at: datetime = Field(sa_type=DateTime(timezone=True))
    imported: bool


def read(row: object, shape: type[Value]) -> Value:
    """Turn a row into a value: lists become tuples, JSON becomes structs."""
    return msgspec.convert(row, shape, from_attributes=True)
