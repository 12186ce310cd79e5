"""`lonja import` reads published procurement data; `lonja export` writes the releases of this market."""

import asyncio
import gzip
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, cast

import typer

from infra.cli.market import market_database
from infra.cli.output import AsJson, Unwritable, errors, print_json, print_table, say, say_error

if TYPE_CHECKING:
    from infra.database import Database
    from services.transparency.intake import Counts
    from services.transparency.ocds.candidates import Reading
    from services.transparency.ocds.tables import ColumnMapping
    from services.transparency.ocds.tolerance import NotUnderstood
    from services.transparency.refusals import Refusals

import_app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Import procurement data that others published: OCDS, awards, prices.",
)
export_app = typer.Typer(no_args_is_help=True, add_completion=False, help="Write the open data of this market.")

Files = Annotated[list[Path], typer.Argument(metavar="FILE…", help="Plain or gzip; the content decides, not the name.")]
MappingFile = Annotated[
    Path | None,
    typer.Option(
        "--mapping",
        metavar="FILE",
        help="TOML file that maps the columns; needed if no mapping for the publisher is shipped."
        " `lonja import fields` shows how to write one.",
    ),
]
RefusedFile = Annotated[
    Path | None,
    typer.Option(
        "--refused",
        metavar="FILE",
        help="Write everything that was not imported to this CSV file: a line for each refused row, and for each value that was left out"
        " of an imported one, with file, line, column, rule and value.",
    ),
]
SHOWN = 40
ROWS_OF_A_BATCH = 500


@import_app.command("ocds")
def import_ocds(files: Files, refused: RefusedFile = None, as_json: AsJson = False) -> None:
    """Import OCDS 1.0 and 1.1: releases, records, packages of them, JSON or JSON Lines, plain or gzip.

    Each release counts as one record: imported, unchanged (known before) or refused. Values that were not understood
    are reported by kind; "not carried" are fields of the standard that this market does not use. A repeat changes
    nothing.

    Exit code 0: something of each file was imported, perhaps with refused rows. 1: a file could not be used, or all of
    it was refused.
    """
    from services.transparency.reading import Readers

    with Readers() as readers:
        _import(files, refused, as_json, readers.read)


@import_app.command("awards")
def import_awards(
    files: Files, mapping: MappingFile = None, refused: RefusedFile = None, as_json: AsJson = False
) -> None:
    """Import CSV files of contract awards, one row for each award, by a column mapping. A repeat changes nothing.

    Exit code 0: something of each file was imported, perhaps with refused rows. 1: a file could not be used, or all of
    it was refused.
    """
    _import_tables("awards", files, mapping, refused, as_json)


@import_app.command("prices")
def import_prices(
    files: Files, mapping: MappingFile = None, refused: RefusedFile = None, as_json: AsJson = False
) -> None:
    """Import CSV files of prices paid, one row for each purchase, by a column mapping. A repeat changes nothing.

    Exit code 0: something of each file was imported, perhaps with refused rows. 1: a file could not be used, or all of
    it was refused.
    """
    _import_tables("prices", files, mapping, refused, as_json)


@import_app.command("fields")
def fields() -> None:
    """Show how a column mapping is written, with all fields that can be mapped."""
    from services.transparency.ocds import tables

    say((tables.__doc__ or "").replace("::", ":").partition("\n\nOur fields are")[0])
    say("\nFields: " + ", ".join(sorted(tables.FIELDS)) + ".\n\nShipped mappings, as examples:")
    for path in sorted(tables.SHIPPED.glob("*.toml")):
        say(f"  {path}")


@export_app.callback()
def export() -> None:
    """Write the open data of this market."""


@export_app.command("ocds")
def export_ocds(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON Lines; compressed where its name ends in .gz.")],
    as_json: AsJson = False,
) -> None:
    """Write all OCDS 1.1 releases of this market, one per line. The file appears only when it is complete."""
    began = time.monotonic()
    written = _run_on_database(lambda database: _export(database, file))
    if as_json:
        print_json({"file": str(file), "releases": written, "seconds": round(time.monotonic() - began, 3)})
    else:
        say(f"{written} releases in {file}")


def _import_tables(kind: str, files: list[Path], mapping: Path | None, refused: Path | None, as_json: bool) -> None:
    from services.transparency.intake import MappingOfOtherKind, MappingUnusable, mapping_for, read_table
    from services.transparency.ocds.tables import MappingError, load_mapping, shipped_mappings

    try:
        candidates: list[ColumnMapping] = [load_mapping(mapping)] if mapping else shipped_mappings(kind)
    except OSError as error:
        raise MappingUnusable(f"{mapping}: {error.strerror}") from error
    except MappingError as error:
        raise MappingUnusable(str(error)) from error
    if candidates[0].kind != kind:
        raise MappingOfOtherKind(f"{mapping} maps {candidates[0].kind}: use `lonja import {candidates[0].kind}`")
    others = [mapping] if mapping else []
    _import(
        files, refused, as_json, lambda path, ledger: read_table(path, mapping_for(path, candidates), ledger), others
    )


def _import(
    files: list[Path],
    refused: Path | None,
    as_json: bool,
    read: "Callable[[Path, NotUnderstood], Reading]",
    others: Sequence[Path] = (),
) -> None:
    """Import the files one after the other; a file that cannot be used does not stop the others, and the exit code
    shows it. ``others`` are additional input files."""
    from infra.garbage import leave_what_stays
    from services.transparency.intake import Counts, FileUnusable
    from services.transparency.ocds.tolerance import NotUnderstood
    from services.transparency.refusals import refusals_in

    began, ledger, total = time.monotonic(), NotUnderstood(keeps=refused is not None), Counts()
    unusable = fruitless = 0

    async def work(database: "Database", refusals: "Refusals | None") -> None:
        nonlocal total, unusable, fruitless
        for path in files:
            try:
                counts = await _import_file(database, path, ledger, refusals, read)
            except FileUnusable as error:
                say_error(str(error))
                ledger.where = path.name
                ledger.add(f"refused: file: {error.kind}", str(error))
                if refusals:
                    refusals.write(path, ledger.taken())
                unusable += 1
                continue
            total += counts
            if counts.refused and counts.refused == counts.records:
                say_error(f"{path}: nothing in it could be read")
                fruitless += 1

    leave_what_stays()
    with refusals_in(refused, [*files, *others]) if refused else nullcontext() as refusals:
        _run_on_database(lambda database: work(database, refusals))
    summary = _summary(len(files), unusable, total, ledger, time.monotonic() - began)
    if as_json:
        written = {"refused_file": {"file": str(refused), **refusals.counts()}} if refusals else {}
        print_json({**summary, **written})
    else:
        _show(summary, ledger)
        _show_refusals(ledger, refusals)
    if unusable or fruitless:
        raise typer.Exit(1)


def _summary(files: int, unusable: int, total: "Counts", ledger: "NotUnderstood", seconds: float) -> dict[str, Any]:
    kinds = ledger.kinds.most_common()
    return {
        "files": files,
        "unusable": unusable,
        "records": total.records,
        "imported": total.imported,
        "unchanged": total.unchanged,
        "refused": total.refused,
        "not_understood": dict(kinds),
        "places": {kind: ledger.places[kind] for kind, _ in kinds},
        "seconds": round(seconds, 3),
    }


def _show(summary: Mapping[str, Any], ledger: "NotUnderstood") -> None:
    counts = {name: value for name, value in summary.items() if not isinstance(value, dict)}
    kinds: Mapping[str, int] = summary["not_understood"]
    say(", ".join(f"{name} {value}" for name, value in counts.items()))
    rate = f"{counts['records'] / max(counts['seconds'], 0.001):.0f} records/s; " if counts["records"] else ""
    say(f"{rate}`--json` has every kind of what was not understood")
    unused = ("not carried: ", "unknown field: ")
    _kinds_table("not understood", [kind for kind in kinds if not kind.startswith(unused)], ledger)
    _kinds_table("understood, not used here", [kind for kind in kinds if kind.startswith(unused)], ledger)


def _kinds_table(title: str, kinds: list[str], ledger: "NotUnderstood") -> None:
    if not kinds:
        return
    say("")
    rows = [
        (kind, ledger.kinds[kind], ", ".join(ledger.places[kind]), next(iter(ledger.examples[kind]), ""))
        for kind in kinds[:SHOWN]
    ]
    print_table((title, "count", "first in", "example"), rows)
    if len(kinds) > SHOWN:
        say(f"and {len(kinds) - SHOWN} further kinds")


def _show_refusals(ledger: "NotUnderstood", refusals: "Refusals | None") -> None:
    from services.transparency.ocds.tolerance import is_loss

    if refusals:
        lost = ", ".join(f"{name} {number}" for name, number in refusals.counts().items())
        say(f"\nall that was refused or left out is in {refusals.path}: {lost}")
    elif any(map(is_loss, ledger.kinds)):
        say("\n`--refused FILE` writes every refused row and every value that was left out to a CSV file")


async def _import_file(
    database: "Database",
    path: Path,
    ledger: "NotUnderstood",
    refusals: "Refusals | None",
    read: "Callable[[Path, NotUnderstood], Reading]",
) -> "Counts":
    from services.transparency.intake import look_into, take_in

    lines = look_into(path)
    reading = read(path, ledger)
    if refusals:
        reading = refusals.following(path, reading, ledger)
    with _Progress(path.name, lines) as advance:
        return await take_in(database, reading, lambda counts: advance(counts.records))


class _Progress:
    """A progress bar on stderr with records and records per second; if stderr is not a terminal, only its last state,
    as a line."""

    def __init__(self, name: str, total: int) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed} records, {task.fields[rate]:.0f}/s"),
            TimeElapsedColumn(),
            console=errors,
        )
        self._task = self._bar.add_task(name, total=total or None, rate=0.0)
        self._began = time.monotonic()

    def __enter__(self) -> Callable[[int], None]:
        self._bar.start()
        return self._advance

    def _advance(self, records: int) -> None:
        rate = records / max(time.monotonic() - self._began, 0.001)
        self._bar.update(self._task, completed=records, rate=rate)

    def __exit__(self, *_: object) -> None:
        self._bar.update(self._task, total=self._bar.tasks[0].completed)
        self._bar.stop()


def _run_on_database(work: "Callable[[Database], Awaitable[Any]]") -> Any:
    """Run ``work`` with the database of the running market. Raise NotRunning."""
    from infra.config import Config

    async def run() -> Any:
        async with market_database(Config.running(), "transparency.releases") as database:
            return await work(database)

    return asyncio.run(run())


async def _export(database: "Database", file: Path) -> int:
    """Export, and return the number of releases. The lines are written to a temporary file, which gets its name at the
    end."""
    from services.transparency import store

    beside = file.with_name(f".{file.name}.{os.getpid()}")
    total = await store.count_releases(database)
    number = 0
    try:
        with _opened(beside, zipped=file.name.endswith(".gz")) as stream, _Progress(file.name, total) as advance:
            async for line in store.all_releases(database):
                stream.write(line + b"\n")
                number += 1
                if number % ROWS_OF_A_BATCH == 0:
                    advance(number)
            advance(number)
        beside.replace(file)
    except OSError as error:
        raise Unwritable(file, error) from error
    finally:
        beside.unlink(missing_ok=True)
    return number


def _opened(path: Path, *, zipped: bool) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "wb")) if zipped else path.open("wb")
