"""The file about what was not imported: one CSV line for each refused row, and one for each value that was left out of
another row."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from infra.cells import cell
from infra.cli.output import Unwritable
from services.transparency.intake import RefusalsOverInput
from services.transparency.ocds.candidates import Reading
from services.transparency.ocds.tolerance import Fault, NotUnderstood

COLUMNS = ("file", "line", "lost", "column", "rule", "value")
"""If the file is one JSON value, ``line`` names the element ("[3]"). ``lost`` is "file", "row" or "value": a row means
a release in OCDS."""
_REFUSED = "refused: "


class Refusals:
    """Writes refusals at once, so that memory does not grow with the file."""

    def __init__(self, path: Path, stream: TextIO) -> None:
        self.path = path
        self.written: Counter[str] = Counter()
        self._lines = csv.writer(stream, lineterminator="\n")
        self._lines.writerow(COLUMNS)

    def write(self, path: Path, faults: Iterable[Fault]) -> None:
        """Write faults; ``path`` is the file in which they were found. Raise Unwritable."""
        with _writing(self.path):
            for fault in faults:
                self._write(path, fault)

    def following(self, path: Path, reading: Reading, ledger: NotUnderstood) -> Reading:
        """The same records; the losses of each are written before it is returned."""
        for record in reading:
            self.write(path, ledger.taken())
            yield record
        self.write(path, ledger.taken())

    def counts(self) -> dict[str, int]:
        """The number of lines by what was lost: rows, values, whole files."""
        return {f"{lost}s": self.written[lost] for lost in ("row", "value", "file")}

    def _write(self, path: Path, fault: Fault) -> None:
        column, _, rule = fault.kind.removeprefix(_REFUSED).rpartition(": ")
        lost = "row" if fault.kind.startswith(_REFUSED) else "value"
        if lost == "row" and column in ("file", "row"):
            lost, column = column, ""
        line = fault.where.removeprefix(path.name).removeprefix(":").strip()
        row = (str(path), line, lost, column, rule, " ".join(fault.value.split()))
        self._lines.writerow([cell(value) for value in row])
        self.written[lost] += 1


@contextmanager
def refusals_in(path: Path, unless: Sequence[Path]) -> Iterator[Refusals]:
    """Open the file for refusals, emptied. Raise Unwritable, and RefusalsOverInput if it is one of the files to be read."""
    if any(path.resolve() == other.resolve() for other in unless):
        raise RefusalsOverInput(f"{path} is to be read: name another file for what is refused")
    with _writing(path):
        stream = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
    try:
        with _writing(path):
            refusals = Refusals(path, stream)
        yield refusals
    finally:
        with _writing(path):
            stream.close()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unwritable(path, error) from error
