"""Awards from CSV files, plain or gzipped.

Columns: `supplier`, `buyer` and `category` are needed; `award_date` (ISO), `ocid`, `buyer_city`, `buyer_region`,
`method`, and `title` or `category_title` are read if present; all others are ignored, among them the amount and other
facts about the supplier.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

from recommender.names import supplier_key
from recommender.values import Award, Opportunity

REQUIRED = ("supplier", "buyer", "category")
_GZIP = b"\x1f\x8b"


class UnreadableTable(ValueError):
    """The file, or one cell of it, cannot be read; the message names the row (the header is row 1) and the column."""

    code = "unreadable-table"

    def __init__(self, path: Path, problem: str, row: int | None = None, column: str | None = None) -> None:
        where = [str(path)]
        if row is not None:
            where.append(f"row {row}")
        if column is not None:
            where.append(f"column {column}")
        super().__init__(f"{', '.join(where)}: {problem}")
        self.row = row
        self.column = column


def read_awards(path: Path) -> list[Award]:
    """All awards of the file, in its order. Suppliers are keys of `names.supplier_key`. Raise UnreadableTable."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    rows = _rows(path, reader)
    header = [name.strip() for name in next(rows, [])]
    for needed in REQUIRED:
        if needed not in header:
            raise UnreadableTable(path, f"the column is missing; found {', '.join(header) or 'nothing'}", 1, needed)
    repeated = next((name for name in header if name and header.count(name) > 1), None)
    if repeated is not None:
        raise UnreadableTable(path, "the column appears twice", 1, repeated)
    awards = []
    for number, cells in enumerate(rows, start=2):
        if not cells:
            continue  # an empty line
        if len(cells) != len(header):
            column = header[len(cells)] if len(cells) < len(header) else f"{len(header) + 1}"
            raise UnreadableTable(path, f"{len(cells)} cells where the header has {len(header)}", number, column)
        awards.append(_award(path, number, dict(zip(header, (cell.strip() for cell in cells), strict=True))))
    return awards


def _award(path: Path, number: int, row: dict[str, str]) -> Award:
    supplier = supplier_key(row["supplier"])
    if not supplier:
        raise UnreadableTable(path, f"no supplier's name in {row['supplier']!r}", number, "supplier")
    return Award(
        supplier=supplier,
        opportunity=Opportunity(
            buyer=row["buyer"],
            region=row.get("buyer_region", ""),
            city=row.get("buyer_city", ""),
            category=row["category"],
            method=row.get("method", ""),
            title=" ".join(filter(None, (row.get("title"), row.get("category_title")))),
        ),
        date=_date(path, number, row.get("award_date", "")),
        tender=row.get("ocid", ""),
    )


def _date(path: Path, number: int, text: str) -> dt.date | None:
    if not text:
        return None
    try:
        return dt.datetime.fromisoformat(text).date()
    except ValueError:
        raise UnreadableTable(path, f"{text!r} is not an ISO date", number, "award_date") from None


def _rows(path: Path, reader: Iterator[list[str]]) -> Iterator[list[str]]:
    number = 1
    try:
        for row in reader:
            yield row
            number += 1
    except csv.Error as error:
        raise UnreadableTable(path, str(error), number) from error


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        if data.startswith(_GZIP):
            data = gzip.decompress(data)
        return data.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableTable(path, str(error)) from error
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise UnreadableTable(path, f"not UTF-8 (byte {data[error.start]:#04x})", row) from error
