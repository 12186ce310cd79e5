"""Reads CSV files by a column mapping: one row is one process with its award, and with its contract if the row has a
price.

A mapping is a small TOML file. The shipped ones are in ``mappings/`` and are examples for others::

    kind = "prices"                      # or "awards"
    publisher = "OpenDataSUS BPS"
    licence = "CC-BY 4.0"
    namespace = "br-bps"                 # prefix of the ids, unique to the publisher
    required = ["date", "unit_price"]    # a row without one of these is refused

    [columns]                            # our field = its column by its head, or several: the first that is filled
    date = "compra"
    unit_text = ["unidade_fornecimento_capacidade", "unidade_fornecimento"]

    [constants]                          # our field = the value for all rows
    country = "BR"
    currency = "BRL"

    [read]                               # all optional
    delimiter = ";"                      # found by itself otherwise, like the encoding
    decimal_mark = ","
    thousands = "."                      # for columns that mix "1.600" and "60000.0"
    date_order = "dmy"                   # for 03/04/2020
    region_prefix = "BR-"                # the region column holds the rest of an ISO 3166-2 code

Our fields are those of :data:`FIELDS`.
"""

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from services.transparency.ocds import vocabulary
from services.transparency.ocds.sheet import Heads, NoTable, opened, read_heads, records

SHIPPED = Path(__file__).parent / "mappings"
_CHUNK = 1024 * 1024
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")

_FIELDS = """
    id date amount currency title description method kind buyer buyer_id buyer_locality buyer_region supplier supplier_id
    supplier_locality supplier_region category category_title item item_code quantity unit_text unit_price latitude longitude
    coordinates country language status
"""
FIELDS = frozenset(_FIELDS.split())
"""``id`` is the source's id of the process. ``coordinates`` is "latitude,longitude". ``unit_text`` may name a pack: "BOX 100 UN"."""


class MappingError(Exception):
    """A mapping file has something unknown, or a CSV file lacks a column that it names."""


class Read(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    delimiter: str | None = None
    encoding: str | None = None
    decimal_mark: str | None = None
    thousands: str | None = None
    date_order: str | None = None
    region_prefix: str | None = None


class Constants(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    country: str = ""
    currency: str = ""
    language: str = ""
    buyer: str = ""
    title: str = ""
    method: str = ""
    kind: str = ""
    status: str = ""
    category_scheme: str = ""
    identifier_scheme: str = ""


class ColumnMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a mapping file."""

    kind: str
    publisher: str
    namespace: str
    columns: Mapping[str, str | list[str]]
    required: list[str]
    licence: str = ""
    constants: Constants = Constants()
    read: Read = Read()

    def sources(self, field: str) -> list[str]:
        named = self.columns.get(field, [])
        return [named] if isinstance(named, str) else named


class Row(msgspec.Struct, frozen=True):
    """The filled fields of a row, by our names. ``occurrence`` counts rows with equal content in a file from 1: so a
    repeated purchase is another row, but the same file read again is not."""

    where: str
    number: int
    fields: Mapping[str, str]
    digest: str
    occurrence: int


class RowRefused(msgspec.Struct, frozen=True):
    where: str
    number: int
    column: str
    reason: str


def load_mapping(path: Path) -> ColumnMapping:
    """Load a mapping. Raise MappingError with a sentence for the author of the file."""
    try:
        mapping = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), ColumnMapping)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise MappingError(f"{path.name}: {error}") from error
    if mapping.kind not in ("awards", "prices"):
        raise MappingError(f"{path.name}: kind is awards or prices, not {mapping.kind!r}")
    if unknown := sorted({*mapping.columns, *mapping.required} - FIELDS):
        raise MappingError(f"{path.name}: unknown fields {', '.join(unknown)}; known are {', '.join(sorted(FIELDS))}")
    return mapping


def shipped_mappings(kind: str) -> list[ColumnMapping]:
    found = [load_mapping(path) for path in sorted(SHIPPED.glob("*.toml"))]
    return [mapping for mapping in found if mapping.kind == kind]


def choose_mapping(path: Path, candidates: Sequence[ColumnMapping]) -> ColumnMapping:
    """The candidate whose columns the file has; of several the one with most columns. Raise MappingError if there is
    none, NoTable."""
    fitting = []
    missing: list[str] = []
    for mapping in candidates:
        with opened(path, mapping.read.encoding) as stream:
            try:
                heads = read_heads(stream, mapping.read.delimiter)
            except NoTable as error:
                _raise_unless_text(path, mapping)
                raise NoTable(f"{path.name}: {error}") from error
        absent = _absent(heads, mapping)
        if absent:
            more = f" and {len(absent) - 4} more" if len(absent) > 4 else ""
            missing.append(f"{mapping.publisher} lacks {', '.join(absent[:4])}{more}")
        else:
            fitting.append((mapping, heads))
    if not fitting:
        _raise_unless_text(path, candidates[0])
        raise MappingError(
            f"{path.name} fits no known mapping: {'; '.join(missing)}. Its heads are {heads}. Write one that names them, as"
            " `lonja import fields` tells, and name it by --mapping."
        )
    chosen, heads = max(fitting, key=lambda each: len(each[0].columns))
    _raise_if_double(path, heads, chosen)
    return chosen


def _wanted(mapping: ColumnMapping) -> list[str]:
    return [column for field in mapping.columns for column in mapping.sources(field)]


def _absent(heads: Heads, mapping: ColumnMapping) -> list[str]:
    return [column for column in _wanted(mapping) if not heads.places(column)]


def _raise_if_double(path: Path, heads: Heads, mapping: ColumnMapping) -> None:
    """Raise MappingError if the file has two columns with a name that the mapping uses, because it is unclear which is
    meant."""
    for column in _wanted(mapping):
        if len(places := heads.places(column)) > 1:
            named = " and ".join(str(place + 1) for place in places)
            raise MappingError(
                f"{path.name}, line {heads.lines}: columns {named} are both called {column};"
                " rename all but the one that is meant"
            )


def _raise_unless_text(path: Path, mapping: ColumnMapping) -> None:
    """Raise NoTable if the file is not text, which its control characters show: Windows-1252 would accept all
    bytes."""
    with opened(path, mapping.read.encoding) as lines:
        start = lines.read(_CHUNK)
    if found := _CONTROL.search(start):
        line = start.count("\n", 0, found.start()) + 1
        raise NoTable(f"{path.name} is no CSV: there is no text in line {line}, but U+{ord(found[0]):04X}")


def read_rows(path: Path, mapping: ColumnMapping, seen: Counter[str] | None = None) -> Iterator[Row | RowRefused]:
    """All rows in order; the heads must have every column of the mapping exactly once. ``seen`` counts rows by digest;
    the caller may remove rows there that do not count. Raise MappingError, NoTable, OSError."""
    with opened(path, mapping.read.encoding) as stream:
        heads = read_heads(stream, mapping.read.delimiter)
        if absent := _absent(heads, mapping):
            raise MappingError(f"{path.name} has no column {', '.join(absent)}; it has {heads}")
        _raise_if_double(path, heads, mapping)
        wanted = {field: mapping.sources(field) for field in mapping.columns}
        places = [(field, [heads.places(column)[0] for column in columns]) for field, columns in wanted.items()]
        seen = Counter() if seen is None else seen
        for number, cells, wrong, column in records(stream, heads):
            where = f"{path.name}:{number}"
            if wrong or _is_total(cells):
                yield RowRefused(where, number, column, wrong or "a total, and no row")
                continue
            fields = {}
            for field, positions in places:
                for position in positions:
                    if filled := _clean(cells[position]):
                        fields[field] = filled
                        break
            empty = [field for field in mapping.required if field not in fields]
            if empty:
                column = " or ".join(wanted.get(empty[0], [empty[0]]))
                yield RowRefused(where, number, column, "empty")
                continue
            digest = hashlib.sha256("\x1f".join(cells).encode("utf-8", "replace")).hexdigest()
            seen[digest] += 1
            yield Row(where, number, fields, digest, seen[digest])


def _is_total(cells: Sequence[str]) -> bool:
    """Whether the row is a total: it begins with such a word and has hardly any other content."""
    if cells[0].strip(" :").casefold() not in vocabulary.TOTALS:
        return False
    return 2 * sum(map(bool, map(str.strip, cells))) <= len(cells) + 1


@lru_cache(maxsize=50_000)
def _clean(cell: str) -> str:
    text = " ".join(cell.split())
    return "" if text.casefold() in vocabulary.NOTHING else text
