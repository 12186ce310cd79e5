"""Tables of the observatory."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Column, DateTime, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from infra.database import schema_of
from infra.listing import OF_WORDS

WORDS = "to_tsvector('simple', words)"
"""What items are searched by."""


class Row(SQLModel, registry=schema_of("observatory")):
    """Of this schema."""


class ItemRow(Row, table=True):
    """``due_at`` is set while prices came that its reference does not know yet; ``in_bulk`` says that an import brought them all, or
    that it is only looked at again, so that others go first. ``reference_id`` is the standing snapshot,
    ``published`` says that an event told others of it. ``trouble`` is why its prices could not be judged when that was last tried.
    ``grade`` is that of the standing snapshot; a trigger writes it, whichever release writes the rest. It is not judged again
    before ``rests_until``; ``rest`` is what it still owes then (see :class:`services.observatory.domain.Rest`)."""

    __tablename__ = "items"

    item_key: str = Field(primary_key=True, sa_type=Text)
    sku_id: str | None = Field(default=None, sa_type=Text)
    title: str = Field(sa_type=Text)
    words: str = Field(sa_type=Text)
    category_scheme: str = Field(sa_type=Text)
    category_code: str = Field(index=True, sa_type=Text)
    category_title: str = Field(sa_type=Text)
    currency: str = Field(sa_type=Text)
    unit: str = Field(default="", sa_column_kwargs={"server_default": ""}, sa_type=Text)
    pack_size: Decimal = Field(default=Decimal(1), sa_column_kwargs={"server_default": "1"})
    due_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    in_bulk: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    observations: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    reference_id: str | None = Field(default=None, sa_type=Text)
    published: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    trouble: str | None = Field(default=None, sa_type=Text)
    grade: str | None = Field(default=None, sa_type=Text)
    rests_until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    rest: timedelta | None = None


_ITEMS = ItemRow.metadata.tables["observatory.items"].c
Index(
    "ix_items_due_in_turn",
    _ITEMS.in_bulk,
    _ITEMS.due_at,
    postgresql_where=_ITEMS.due_at.is_not(None),
)
_LISTED = _ITEMS.observations > text("0")
_FIRST = (_ITEMS.observations.desc(), _ITEMS.item_key)
Index("ix_items_listed", _ITEMS.reference_id.is_(None), *_FIRST, postgresql_where=_LISTED)
Index("ix_items_of_grade", _ITEMS.grade, *_FIRST, postgresql_where=_LISTED)


class ListedRow(Row, table=True):
    """The words and the category of each item that has prices, for those who search. Triggers of ``items`` keep it. An item's row is
    written with each of its prices, and an index of words would be, too: these rows change when the words do."""

    __tablename__ = "listed"
    __table_args__ = (
        Index("ix_listed_words", text(WORDS), **OF_WORDS),
        Index("ix_listed_category", text("category_code text_pattern_ops")),
    )

    item_key: str = Field(primary_key=True, sa_type=Text)
    words: str = Field(sa_type=Text)
    category_code: str = Field(sa_type=Text)


class ObservationRow(Row, table=True):
    """``body`` is the observation as it was seen; what happened to it later stands in the columns."""

    __tablename__ = "observations"

    observation_id: str = Field(primary_key=True, sa_type=Text)
    item_key: str = Field(index=True, sa_type=Text)
    origin: str = Field(sa_type=Text)
    document_id: str = Field(index=True, sa_type=Text)
    process_id: str = Field(sa_type=Text)
    award_id: str | None = Field(default=None, index=True, sa_type=Text)
    contract_id: str | None = Field(default=None, index=True, sa_type=Text)
    cancelled: bool
    body: dict[str, object] = Field(sa_column=Column(JSONB, nullable=False))


class WithdrawnRow(Row, table=True):
    """Contracts ended and offers taken back, kept for a price that comes after its own end."""

    __tablename__ = "withdrawn"

    document_id: str = Field(primary_key=True, sa_type=Text)


class SnapshotRow(Row, table=True):
    """Never changed. ``body`` is the whole reference; the columns are for lists. Where there are ``terms``, its verdicts are rows of
    their own, and ``digest`` is of all of them; those from before verdicts had rows have them in the body."""

    __tablename__ = "snapshots"

    reference_id: str = Field(primary_key=True, sa_type=Text)
    item_key: str = Field(sa_type=Text)
    version: int
    made_at: datetime = Field(sa_type=DateTime(timezone=True))
    current: bool
    valued_on: date
    kind: str = Field(sa_type=Text)
    unit: str = Field(sa_type=Text)
    currency: str = Field(sa_type=Text)
    level: str = Field(sa_type=Text)
    place_code: str = Field(sa_type=Text)
    median: Decimal
    p25: Decimal
    p75: Decimal
    observations: int
    suppliers: int
    variation: Decimal
    grade: str = Field(index=True, sa_type=Text)
    body: dict[str, object] = Field(sa_column=Column(JSONB, nullable=False))
    terms: dict[str, object] | None = Field(default=None, sa_column=Column(JSONB))
    digest: str | None = Field(default=None, sa_type=Text)


_SNAPSHOTS = SnapshotRow.metadata.tables["observatory.snapshots"].c
Index("uq_snapshots_item", _SNAPSHOTS.item_key, _SNAPSHOTS.version, unique=True)


class JudgedRow(Row, table=True):
    """An observation as it was when it was judged: ``edition`` is the SHA-256 of its whole body, ``packed`` is that without the two ids
    which stand beside it (see :mod:`services.observatory.store.packed`). Rows of a time before packing have a ``body`` instead. It stays
    when the price is corrected."""

    __tablename__ = "judged"

    item_key: str = Field(primary_key=True, sa_type=Text)
    observation_id: str = Field(primary_key=True, sa_type=Text)
    edition: bytes = Field(primary_key=True)
    body: str | None = Field(default=None, sa_type=Text)
    packed: bytes | None = None


class VerdictRow(Row, table=True):
    """What was found of an observation, in all versions from the first up to ``until_version``, which it is not of any more; None: it
    stands. See :class:`services.observatory.domain.Ruling`."""

    __tablename__ = "verdicts"

    item_key: str = Field(primary_key=True, sa_type=Text)
    observation_id: str = Field(primary_key=True, sa_type=Text)
    from_version: int = Field(primary_key=True)
    until_version: int | None = None
    edition: bytes
    date: date
    dropped: bool
    price: str | None = Field(default=None, sa_type=Text)
    reason: str = Field(sa_type=Text)
    own: dict[str, object] | None = Field(default=None, sa_column=Column(JSONB))


_VERDICTS = VerdictRow.metadata.tables["observatory.verdicts"].c
Index(
    "ix_verdicts_in_order",
    _VERDICTS.item_key,
    _VERDICTS.dropped,
    _VERDICTS.date.desc(),
    _VERDICTS.observation_id.desc(),
)
Index("ix_verdicts_standing", _VERDICTS.item_key, postgresql_where=_VERDICTS.until_version.is_(None))


class NumbersRow(Row, table=True):
    """The one row says by which numbers of the policy items are judged, in JSON. ``marked_to`` is the last item that was marked to be
    judged again since they changed; None: all were."""

    __tablename__ = "numbers"

    only: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    rules: str = Field(sa_type=Text)
    marked_to: str | None = Field(default=None, sa_type=Text)


class RollingRow(Row, table=True):
    """Kept by the Faust view alone."""

    __tablename__ = "rolling"

    item_key: str = Field(primary_key=True, sa_type=Text)
    series: str = Field(primary_key=True, sa_type=Text)
    month: str = Field(primary_key=True, sa_type=Text)
    currency: str = Field(primary_key=True, sa_type=Text)
    unit: str = Field(primary_key=True, sa_type=Text)
    count: int
    low: Decimal
    high: Decimal
    total: Decimal
    last: Decimal
    last_on: date
    last_id: str = Field(sa_type=Text)
