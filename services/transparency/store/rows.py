"""The tables of transparency."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from infra.database import schema_of

NAME = "transparency"
CONTRACT = "(body->'contracts'->0->>'id')"
MILESTONE = "(body->'contracts'->0->'implementation'->'milestones'->0->>'id')"
"""The contract and the milestone in a release, which has at most one of each."""


class Row(SQLModel, registry=schema_of(NAME)):
    """Base of the rows of this schema."""


class OriginalRow(Row, table=True):
    """A release or a CSV row as it was published, by the digest of its content; ``body`` is its JSON, compressed."""

    __tablename__ = "originals"

    digest: str = Field(primary_key=True, sa_type=Text)
    ocid: str = Field(sa_type=Text, index=True)
    source: str = Field(sa_type=Text)
    place: str = Field(sa_type=Text)
    publisher: str = Field(sa_type=Text)
    licence: str = Field(sa_type=Text)
    country: str | None = Field(default=None, sa_type=Text)
    released_at: str = Field(sa_type=Text)
    body: bytes = Field(sa_type=LargeBinary)


class SourceRow(Row, table=True):
    """The number of imported records of a publisher; ``source`` is the prefix of its ids."""

    __tablename__ = "sources"

    source: str = Field(primary_key=True, sa_type=Text)
    publisher: str = Field(primary_key=True, sa_type=Text)
    licence: str = Field(primary_key=True, sa_type=Text)
    records: int = Field(sa_type=BigInteger)
    imported_at: datetime = Field(sa_type=DateTime(timezone=True))


class ImportedOrganisationRow(Row, table=True):
    """All imported data of an organisation, in the form of the last event about it."""

    __tablename__ = "imported_organisations"

    organisation_id: str = Field(primary_key=True, sa_type=Text)
    event: bytes = Field(sa_type=LargeBinary)


class ToldRow(Row, table=True):
    """A digest of the last published state of an imported tender, bid, award or contract, so that nothing is published
    twice."""

    __tablename__ = "told"

    thing: str = Field(primary_key=True, sa_type=Text)
    digest: bytes = Field(sa_type=LargeBinary)


class PartyRow(Row, table=True):
    """Replica: the organisations of this market, for the data of parties."""

    __tablename__ = "parties"

    organisation_id: str = Field(primary_key=True, sa_type=Text)
    event: bytes = Field(sa_type=LargeBinary)


class DisclosedBidRow(Row, table=True):
    """Replica: the last bid of each participant, known since the close."""

    __tablename__ = "disclosed_bids"

    bid_id: str = Field(primary_key=True, sa_type=Text)
    auction_id: str = Field(sa_type=Text, index=True)
    event: bytes = Field(sa_type=LargeBinary)


class AuctionRow(Row, table=True):
    """Replica: running mini-auctions. ``told`` is the end in the feed, ``closes_at`` the effective end."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_moved", "auction_id", postgresql_where=text("closes_at <> told")),)

    auction_id: str = Field(primary_key=True, sa_type=Text)
    process_id: str = Field(sa_type=Text)
    opens_at: datetime = Field(sa_type=DateTime(timezone=True))
    closes_at: datetime = Field(sa_type=DateTime(timezone=True))
    told: datetime = Field(sa_type=DateTime(timezone=True))


class ReleaseRow(Row, table=True):
    """An OCDS release of this market. Never changed; ``position`` is its place in the feed (see :func:`lock_feed`).
    Queries on a process sort by an expression that only its own index has: else the database would search for the last
    ones through the whole feed."""

    __tablename__ = "releases"
    __table_args__ = (
        Index("ix_releases_of_process", "ocid", text("(- position)")),
        Index(
            "ix_releases_of_contract",
            "ocid",
            text(CONTRACT),
            text(MILESTONE),
            postgresql_where=text("body ? 'contracts'"),
        ),
    )

    release_id: str = Field(primary_key=True, sa_type=Text)
    position: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), nullable=False, unique=True)
    )
    ocid: str = Field(sa_type=Text)
    process_id: str = Field(sa_type=Text)
    tags: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    released_at: datetime = Field(sa_type=DateTime(timezone=True))
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class ProcessPartyRow(Row, table=True):
    """All roles that the releases of a process gave a party. A trigger maintains them, whichever release publishes."""

    __tablename__ = "process_parties"

    ocid: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(primary_key=True, sa_type=Text)
    roles: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))


class FeedFiguresRow(Row, table=True):
    """The only row: how many releases the feed has, and of how many processes. A trigger counts, whichever release
    publishes. Until a migration has counted them, releases up to the position ``uncounted`` are not included."""

    __tablename__ = "feed_figures"

    feed: str = Field(primary_key=True, sa_type=Text)
    releases: int = Field(sa_type=BigInteger)
    processes: int = Field(sa_type=BigInteger)
    uncounted: int | None = Field(default=None, sa_type=BigInteger)
