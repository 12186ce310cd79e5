"""Reads CSV files: the encoding, the separator of cells, the heads, and the rows with the line in which each begins.

An unclosed quote would take all following lines into one cell. Therefore, if the quotes of a row include lines that
look like rows themselves, only the first line is treated as that row: it is refused, and the other lines are read. A
row with a single quote within a quoted cell is treated in the same way, because the end of that cell is unclear.
"""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from services.transparency.ocds.documents import binary

SIGNS = ",;\t|"
"""Characters that may separate cells."""
MOST_LINES = 100
"""The most lines of one row, which may have line breaks within quotes."""
_CHUNK = 1024 * 1024
_MOST_HEADS = 64 * 1024
"""The most characters of one row."""
_QUOTED = re.compile(r'(?:^|(?<=[,;\t|]))[ ]*"(?:[^"]|"")*"')
_UNCLOSED = re.compile(r'(?:^|[,;\t|])[ ]*"(?:[^"]|"")*\Z')
_BLANKS_BEHIND = re.compile(r'"((?:[^"]|"")*)"[ ]*')
_NAMES_SIGN = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
"""The first line of a file that was written for Excel, which names the separator."""
_SHOWN, _MOST_SHOWN = 60, 40
_LOST_BEFORE = "\ufffd".encode()
"""A replacement character that the file itself contains: the letter was lost before the file was written."""


class NoTable(Exception):
    """The file is not a CSV file, with any mapping."""


class Heads(NamedTuple):
    """``names`` are unchanged and may have line breaks. The first row comes after ``lines`` lines of the file."""

    names: list[str]
    sign: str
    lines: int

    def places(self, column: str) -> list[int]:
        """The places of the columns with the name that a mapping uses: compared with the whole head, else with its
        first line, which may be followed by an explanation."""
        named = column.split()
        exact = [place for place, name in enumerate(self.names) if name.split() == named]
        return exact or [
            place for place, name in enumerate(self.names) if name and name.splitlines()[0].split() == named
        ]

    def called(self, place: int) -> str:
        """A column's name for people; its number if it has no name."""
        name = " ".join(self.names[place].split())[:_SHOWN] if place < len(self.names) else ""
        return name or f"column {place + 1}"

    @property
    def named(self) -> int:
        """The columns, without nameless ones at the end."""
        return max((place for place, name in enumerate(self.names, 1) if name), default=0)

    def __str__(self) -> str:
        shown = ", ".join(f"“{' '.join(name.split())[:_SHOWN]}”" for name in self.names[: self.named][:_MOST_SHOWN])
        more = self.named - _MOST_SHOWN
        return f"{shown} and {more} more" if more > 0 else shown or "none"


class SheetRecord(NamedTuple):
    """``number`` is the line in which it begins. ``wrong``: why it is not a valid row, or ""; ``column``: the column at
    fault, if it is a single one."""

    number: int
    cells: list[str]
    wrong: str
    column: str = ""


class _TooLong(Exception):
    """A row has too many lines or characters."""


class _QuoteAlone(Exception):
    """A quote within a quoted cell neither ends the cell nor is doubled."""

    def __init__(self, cells_before: int) -> None:
        super().__init__("one quote within quotes is not valid; write it twice")
        self.place = cells_before


def _raise_or_read(error: csv.Error, text: str, sign: str) -> list[str]:
    """The cells of a row that the csv module refuses because of blanks after a closing quote. Raise _QuoteAlone for
    another wrong quote, else the error."""
    if not str(error).endswith("""expected after '"'"""):
        raise error
    cells: list[str] = []
    rest = text.rstrip("\r\n")
    while True:
        if rest.startswith('"'):
            quoted = _BLANKS_BEHIND.match(rest)
            if quoted is None or rest[quoted.end() : quoted.end() + 1] not in ("", sign):
                raise _QuoteAlone(len(cells)) from error
            cell, end = quoted[1].replace('""', '"'), quoted.end()
        else:
            end = rest.index(sign) if sign in rest else len(rest)
            cell = rest[:end]
        cells.append(cell)
        if end == len(rest):
            return cells
        rest = rest[end + 1 :]


class _Lines:
    """The lines of a file, some of which may be read again."""

    def __init__(self, stream: IO[str], number: int) -> None:
        self._stream = stream
        self._again: deque[str] = deque()
        self.number = number
        """The number of lines that were read and will not be read again."""
        self.taken: list[str] = []
        """The lines of the row that is being read."""
        self.ended = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if len(self.taken) == MOST_LINES:
            raise _TooLong
        line = self._again.popleft() if self._again else self._stream.readline()
        if not line:
            self.ended = True
            raise StopIteration
        self.taken.append(line)
        return line

    def leave_the_first(self) -> None:
        """Keep only the first of the lines that were taken; the others will be read again."""
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]
        self.ended = False


def read_heads(stream: IO[str], sign: str | None) -> Heads:
    """Read the names of the columns; the separator is detected if it is not given. Afterwards the stream is before the
    first row. Raise NoTable."""
    lines, text = 0, ""
    while not text:
        text = stream.readline(_MOST_HEADS)
        if not text:
            return Heads([], sign or SIGNS[0], lines)
        lines += 1
        text = text.lstrip("\ufeff") if lines == 1 else text
        if lines == 1 and (named := _NAMES_SIGN.fullmatch(text.removesuffix("\n").removesuffix("\r"))):
            sign, text = sign or named[1], ""
        elif not text.strip():
            text = ""
    first = lines
    while _UNCLOSED.search(_QUOTED.sub("", text)):
        further = stream.readline(_MOST_HEADS)
        if not further or lines - first == MOST_LINES or len(text) > _MOST_HEADS:
            raise NoTable(
                f"a quote that opens in the heads, line {first}, is never closed: close it, or write it twice"
            )
        text, lines = text + further, lines + 1
    if len(text) >= _MOST_HEADS:
        raise NoTable(f"line {first} has more than {_MOST_HEADS:,} characters: it has no heads of columns")
    sign = sign or max(SIGNS, key=_QUOTED.sub("", text).count)
    try:
        names = next(csv.reader(text.splitlines(keepends=True), delimiter=sign, strict=True), [])
    except csv.Error as error:
        try:
            names = _raise_or_read(error, text, sign)
        except (_QuoteAlone, csv.Error) as fault:
            place = f", column {fault.place + 1}" if isinstance(fault, _QuoteAlone) else ""
            raise NoTable(f"the heads, line {first}{place}: {fault}") from error
    return Heads([name.strip() for name in names], sign, lines)


def records(stream: IO[str], heads: Heads) -> Iterator[SheetRecord]:
    """The records after the heads; each non-empty line is in one of them. A row must have as many cells as there are
    heads; empty cells, or cells without a head, may be missing or additional at its end."""
    lines, columns, named = _Lines(stream, heads.lines), len(heads.names), heads.named
    reader = csv.reader(lines, delimiter=heads.sign, strict=True)
    while True:
        number, cells, wrong, column = lines.number + 1, [], "", ""
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _TooLong:
            wrong = "a quote is not closed"
        except csv.Error as error:
            try:
                cells = _raise_or_read(error, "".join(lines.taken), heads.sign)
            except _QuoteAlone as alone:
                wrong, column = str(alone), heads.called(alone.place)
            except csv.Error:
                wrong = str(error)
        if len(cells) != columns:
            cells = _of_full_width(cells, named, columns)
        several = len(lines.taken) > 1
        if lines.ended or (several and (wrong or len(cells) != columns or _takes_rows(lines.taken, heads))):
            wrong, column = "a quote is not closed", ""  # at the end of the file only an open quote expects more
        elif not wrong and len(cells) != columns and any(map(str.strip, cells)):
            wrong = _ragged(cells, heads)
        if wrong:
            lines.leave_the_first()
            reader = csv.reader(lines, delimiter=heads.sign, strict=True)
            wrong += "; close it, or write it twice" if wrong == "a quote is not closed" else ""
        lines.number += len(lines.taken)
        lines.taken.clear()
        if wrong or any(map(str.strip, cells)):
            yield SheetRecord(number, cells, wrong, column)


def _of_full_width(cells: list[str], named: int, columns: int) -> list[str]:
    if len(cells) > columns:
        return cells if any(map(str.strip, cells[columns:])) else cells[:columns]
    return cells if len(cells) < named else cells + [""] * (columns - len(cells))


def _takes_rows(taken: list[str], heads: Heads) -> bool:
    """Whether a line within the quotes has the cells of a row itself."""
    columns = len(heads.names)
    return columns > 2 and any(
        line.count(heads.sign) >= columns - 1 and len(next(csv.reader([line], delimiter=heads.sign), [])) == columns
        for line in taken[1:]
    )


def _ragged(cells: list[str], heads: Heads) -> str:
    columns = len(heads.names)
    said = f"{len(cells)} cells under {columns} columns"
    other = next((sign for sign in SIGNS if sign != heads.sign and cells[0].count(sign) == columns - 1), None)
    if len(cells) == 1 and columns > 1 and other:
        return f"{said}; the sign between cells is {_named(heads.sign)} in the heads and {_named(other)} here, use one"
    if len(cells) < columns:
        return f"{said}; give each head a cell, empty where there is nothing to say"
    return f"{said}; put quotes around a cell that has {_named(heads.sign)} in it"


def _named(sign: str) -> str:
    return "the tab" if sign == "\t" else f"“{sign}”"


def opened(path: Path, encoding: str | None) -> io.TextIOWrapper:
    """Open the file; the encoding is detected if it is not given."""
    return io.TextIOWrapper(binary(path), encoding=encoding or _encoding(path), errors="replace", newline="")


def _encoding(path: Path) -> str:
    """The encoding: from the byte order mark; else UTF-8 if most non-ASCII characters are valid in it; else Windows-1252,
    which accepts all bytes. A few damaged bytes do not change the encoding: they are read as U+FFFD and counted."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    right = damaged = 0
    with binary(path) as stream:
        start = chunk = stream.read(_CHUNK)
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return "utf-16"
        while chunk:
            if not chunk.isascii():
                text = decoder.decode(chunk)
                lost = max(0, text.count("\ufffd") - chunk.count(_LOST_BEFORE))
                damaged += lost
                right += len(text) - len(text.encode("ascii", "ignore")) - lost
            elif text := decoder.decode(chunk):  # the unfinished rest of the previous chunk comes first
                damaged += text.count("\ufffd")
            chunk = stream.read(_CHUNK)
        damaged += decoder.decode(b"", final=True).count("\ufffd")
    return "cp1252" if damaged > right else "utf-8-sig"
