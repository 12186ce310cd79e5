"""The output of commands: tables and lines for people, JSON for programs, errors to stderr."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]

WIDTH_OF_A_FILE = 10_000
"""The width of a line if the output is not a terminal."""


console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


class Unwritable(Exception):
    """The file that a command was to write cannot be written."""

    code = "unwritable"

    def __init__(self, file: Path, error: OSError) -> None:
        super().__init__(f"{file}: {error.strerror or error}")


def say(line: str) -> None:
    """Print a line of progress unchanged, because log lines in it may look like markup."""
    console.print(Text(line))


def say_error(line: str) -> None:
    errors.print(Text(line, style="red"))


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False, default=str))


def print_facts(facts: Mapping[str, object], as_json: bool) -> None:
    """Print all facts about one thing."""
    if as_json:
        print_json(facts)
    else:
        for name, fact in facts.items():
            say(f"{name}: {fact}")


LONGEST_WHOLE = 24
"""A word in the first column, which names its row, is not broken on a narrow terminal if it has at most this many
characters."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    table = Table(box=None, pad_edge=False)
    lines = [[str(cell) for cell in row] for row in rows]
    for number, column in enumerate(columns):
        words = [len(word) for line in lines for word in line[number].split()] if number == 0 else []
        table.add_column(column, overflow="fold", min_width=min(max(words, default=0), LONGEST_WHOLE))
    for line in lines:
        table.add_row(*map(Text, line))
    _as_wide_as_it_is(console).print(table)


def _as_wide_as_it_is(chosen: Console) -> Console:
    """Return a console that breaks no line of a table in a pipe or file, whatever ``COLUMNS`` says: these have no width."""
    if chosen.is_terminal:
        return chosen
    return Console(file=chosen.file, width=WIDTH_OF_A_FILE, highlight=False, soft_wrap=True)
