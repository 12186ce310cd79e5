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
"""Of a release, which has one contract at most, and of that one milestone at most."""


class Row(SQLModel, registry=schema_of(NAME)):
    """Of this schema."""


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
    """How much of each publisher was imported; ``source`` is the prefix of its ids."""

    __tablename__ = "sources"

    source: str = Field(primary_key=True, sa_type=Text)
    publisher: str = Field(primary_key=True, sa_type=Text)
    licence: str = Field(primary_key=True, sa_type=Text)
    records: int = Field(sa_type=BigInteger)
    imported_at: datetime = Field(sa_type=DateTime(timezone=True))


class ImportedOrganisationRow(Row, table=True):
    """All that imports said of an organisation so far, as the event that said it last."""

    __tablename__ = "imported_organisations"

    organisation_id: str = Field(primary_key=True, sa_type=Text)
    event: bytes = Field(sa_type=LargeBinary)


class ToldRow(Row, table=True):
    """What was last told of an imported tender, bid, award or contract: a digest, so that nothing is told twice."""

    __tablename__ = "told"

    thing: str = Field(primary_key=True, sa_type=Text)
    digest: bytes = Field(sa_type=LargeBinary)


class PartyRow(Row, table=True):
    """Replica: the organisations of this market, for the particulars of parties."""

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
    """Replica: mini-auctions that run. ``told`` is the end that the feed has, ``closes_at`` the effective one."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_moved", "auction_id", postgresql_where=text("closes_at <> told")),)

    auction_id: str = Field(primary_key=True, sa_type=Text)
    process_id: str = Field(sa_type=Text)
    opens_at: datetime = Field(sa_type=DateTime(timezone=True))
    closes_at: datetime = Field(sa_type=DateTime(timezone=True))
    told: datetime = Field(sa_type=DateTime(timezone=True))


class ReleaseRow(Row, table=True):
    """An OCDS release of this market. Never changed; ``position`` is its place in the feed (see :func:`lock_feed`). Within a process they
    are sorted by what no other index has: else the database looks for the last ones of a process by leafing through the whole feed."""

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
    """All roles that the releases of a process gave a party. A trigger keeps them, whichever release publishes."""

    __tablename__ = "process_parties"

    ocid: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(primary_key=True, sa_type=Text)
    roles: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))


class FeedFiguresRow(Row, table=True):
    """One row: how many releases the feed has, and of how many processes. A trigger counts, whichever release publishes. Until a
    migration has counted them, those up to the position ``uncounted`` are left out."""

    __tablename__ = "feed_figures"

    feed: str = Field(primary_key=True, sa_type=Text)
    releases: int = Field(sa_type=BigInteger)
    processes: int = Field(sa_type=BigInteger)
    uncounted: int | None = Field(default=None, sa_type=BigInteger)
