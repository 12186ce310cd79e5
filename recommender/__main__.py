"""`python -m recommender evaluate`: train on one file of awards, test on another, print the figures as JSON."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from recommender.evaluation import evaluate
from recommender.history import last_date
from recommender.model import train
from recommender.tables import UnreadableTable, read_awards
from recommender.values import ModelFigures

_ABOUT = """\
Ranks, for each award of the second file, the suppliers of the first for the opportunity it describes, by buyer, place
(buyer_city, buyer_region), category, method and title (title, category_title). The fields about
the supplier, the amount and the ocid are not used for that, and the second file is not used in training.
"""
_FILES = """\
Files are CSV in UTF-8, plain or gzipped, with a header. Needed columns: supplier, buyer, category. Read where present:
award_date (ISO; the history is learned from in this order), ocid, buyer_city, buyer_region, method, title,
category_title. Other columns are ignored. Suppliers are the same when their names are, apart from case, accents,
punctuation, spaces and legal forms (Inc, Ltd, Ltée, GmbH, S.A. …).

Printed, as one JSON object: k; awards (rows tested); all, known (awards to suppliers found in the history) and
per_tender (each ocid weighs the same), each with n, hr (share of awards whose supplier is among the first k) and mrr
(mean of 1/rank, 0 beyond k); coverage (share of the history's suppliers ranked among the first k at least once);
seconds; baselines by name, with hr and mrr over all awards.

A file that cannot be read ends the program with status 2 and names the row (the header is row 1) and the column.
"""


def report(figures: ModelFigures, seconds: float) -> dict[str, object]:
    """The figures in the form that the command prints."""
    return {
        "k": figures.split.k,
        "awards": figures.split.awards,
        "all": figures.all,
        "known": figures.known,
        "per_tender": figures.per_tender,
        "coverage": figures.coverage,
        "seconds": round(seconds, 2),
        "baselines": {name: {"hr": rate.hr, "mrr": rate.mrr} for name, rate in figures.baselines.items()},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    started = time.perf_counter()
    try:
        history = read_awards(options.history)
        awards = read_awards(options.awards)
        if not history:
            raise UnreadableTable(options.history, "no awards to learn from", 2)
    except UnreadableTable as error:
        print(f"recommender: {error}", file=sys.stderr)
        return 2
    figures = evaluate(train(history, last_date(history)), awards, options.k)
    print(msgspec.json.encode(report(figures, time.perf_counter() - started)).decode())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m recommender", description="Which supplier fits which purchase.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "evaluate",
        help="train on one file of awards, test on another, print figures",
        description=_ABOUT,
        epilog=_FILES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--history", type=Path, required=True, metavar="A.csv.gz", help="awards to learn from")
    command.add_argument("--awards", type=Path, required=True, metavar="B.csv.gz", help="awards to test on")
    command.add_argument("--k", type=_positive, default=10, metavar="K", help="length of each ranking (default 10)")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
