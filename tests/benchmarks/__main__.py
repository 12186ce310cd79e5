"""``make bench``: run the benchmarks, print a table, write ``bench.json`` under ``LONJA_HOME``."""

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.config import Config
from infra.embedded import Servers
from tests.benchmarks import Figure
from tests.servers import started

BENCHMARKS = ("bids", "watching", "closing", "road", "importing", "growing", "search")
SERVERS = Path(".lonja-bench")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"some of: {', '.join(BENCHMARKS)}; all of them by default"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    say = Console(stderr=True)
    servers = started(SERVERS)
    try:
        figures: list[Figure] = []
        for name in asked.names or BENCHMARKS:
            say.print(f"measuring {name} …")
            measure: Callable[[Servers], Awaitable[list[Figure]]] = import_module(f"tests.benchmarks.{name}").measure
            figures += asyncio.run(measure(servers))
    finally:
        servers.stop()
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "figures": {
            figure.name: {
                "value": round(figure.value, 3),
                "unit": figure.unit,
                "limit": figure.limit,
                "ratio": figure.ratio,
            }
            for figure in figures
        },
    }
    path = Config.load().home / "bench.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if asked.json:
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        Console().print(table(figures))
        say.print(f"written to {path}")


def table(figures: list[Figure]) -> Table:
    shown = Table("figure", "value", "unit", "limit", "ratio", "aim")
    for figure in figures:
        shown.add_row(
            figure.name,
            f"{figure.value:,.1f}",
            figure.unit,
            "" if figure.limit is None else f"{figure.limit:,.1f}",
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            figure.aim,
        )
    return shown


main()
