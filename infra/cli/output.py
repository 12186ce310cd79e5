"""How commands speak: tables and lines for people, JSON for programs, errors to stderr."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


class NotRunning(Exception):
    """A server that the command needs does not answer."""

    code = "not-running"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} does not answer: start Lonja with `make run` or `lonja up`")


def say(line: str) -> None:
    """A line of progress, as it came: log lines in it may look like markup."""
    console.print(Text(line))


def say_error(line: str) -> None:
    errors.print(Text(line, style="red"))


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console.print(table)
