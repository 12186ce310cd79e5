"""Tables of the observatory."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Column, DateTime, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from infra.database import schema_of
from infra.listing import OF_WORDS

WORDS = "to_tsvector('simple', words)"
"""The expression by which items are searched."""


class Row(SQLModel, registry=schema_of("observatory")):
    """Base of the rows of this schema."""


class ItemRow(Row, table=True):
    """``due_at`` is set while there are prices that its reference does not include yet; ``in_bulk`` says that an import
    brought all of them, or that the item is only judged again, so that others go first. ``reference_id`` is the current
    snapshot; ``published`` says that an event published it. ``trouble`` is why its prices could not be judged at the
    last try. ``grade`` is that of the current snapshot; a trigger writes it, whichever release writes the rest. The
    item is not judged again before ``rests_until``; ``rest`` is what it still owes then (see
    :class:`services.observatory.domain.Rest`)."""

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
    """The words and the category of each item that has prices, for the search. Triggers on ``items`` maintain it. An
    item's row is written with each price, and an index of words on it would be, too; these rows change only if the
    words do."""

    __tablename__ = "listed"
    __table_args__ = (
        Index("ix_listed_words", text(WORDS), **OF_WORDS),
        Index("ix_listed_category", text("category_code text_pattern_ops")),
    )

    item_key: str = Field(primary_key=True, sa_type=Text)
    words: str = Field(sa_type=Text)
    category_code: str = Field(sa_type=Text)


class ObservationRow(Row, table=True):
    """``body`` is the observation as it was stored first; later changes are in the columns."""

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
    """Ended contracts and withdrawn offers, stored because a price may come after its own end."""

    __tablename__ = "withdrawn"

    document_id: str = Field(primary_key=True, sa_type=Text)


class SnapshotRow(Row, table=True):
    """A snapshot; it is never changed. ``body`` is the whole reference; the columns are for lists. If there are
    ``terms``, its verdicts are separate rows and ``digest`` covers all of them; older snapshots have their verdicts in
    the body."""

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
    """An observation as it was when it was judged: ``edition`` is the SHA-256 of its whole body; ``packed`` is the
    compressed body without the two ids, which are columns (see :mod:`services.observatory.store.packed`). Older rows
    have a ``body`` instead. The row stays when the price is corrected."""

    __tablename__ = "judged"

    item_key: str = Field(primary_key=True, sa_type=Text)
    observation_id: str = Field(primary_key=True, sa_type=Text)
    edition: bytes = Field(primary_key=True)
    body: str | None = Field(default=None, sa_type=Text)
    packed: bytes | None = None


class VerdictRow(Row, table=True):
    """The result for an observation in all versions from the first one to the one before ``until_version``; None: it is
    current. See :class:`services.observatory.domain.Ruling`."""

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
    """The only row has the numbers of the policy by which items are judged, in JSON. ``marked_to`` is the last item
    that was marked to be judged again since they changed; None: all were marked."""

    __tablename__ = "numbers"

    only: bool = Field(default=True, primary_key=True, sa_column_kwargs={"server_default": text("true")})
    rules: str = Field(sa_type=Text)
    marked_to: str | None = Field(default=None, sa_type=Text)


class EndsDueRow(Row, table=True):
    """An item whose former references have to be ended in other services, and how often this was repeated. The migration
    and a trigger on ``items`` add it."""

    __tablename__ = "ends_due"
    __table_args__ = (Index("ix_ends_due", "due_at"),)

    item_key: str = Field(primary_key=True, sa_type=Text)
    due_at: datetime = Field(sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": text("now()")})
    repeats: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


class RollingRow(Row, table=True):
    """A row that only the Faust view writes."""

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
