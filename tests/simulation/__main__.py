"""``python -m tests.simulation``, ``make simulate``: play many seeds, or one seed again; with ``--plant`` on code that
has a bug."""

import argparse
import os
import sys
import time
from collections import Counter

from tests.simulation.crowd import play
from tests.simulation.planted import PLANTED
from tests.simulation.story import Failed, run

AT_ONCE = 50
"""How many seeds are played between two progress messages."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, metavar="N", help="play this seed alone, and say what happened in it")
    parser.add_argument("--seeds", type=int, metavar="N", default=2000, help="play so many (default: %(default)s)")
    parser.add_argument("--first", type=int, metavar="N", default=0, help="the first of them (default: %(default)s)")
    parser.add_argument("--plant", metavar="NAME", choices=PLANTED, default="", help=f"one of: {', '.join(PLANTED)}")
    parser.add_argument("--jobs", type=int, metavar="N", default=os.cpu_count(), help="processes (default: one a core)")
    asked = parser.parse_args()
    if asked.seed is not None:
        return _one(asked.seed, asked.plant)
    return _many(range(asked.first, asked.first + asked.seeds), asked.plant, asked.jobs)


def _one(seed: int, bug: str) -> int:
    try:
        report = run(seed, bug)
    except Failed as failed:
        print(failed)
        return 1
    for name, number in sorted(report.counts.items()):
        print(f"{number:8,} {name}")
    print(f"seed {seed}: nothing broke; trace {report.trace}")
    return 0


def _many(seeds: range, bug: str, jobs: int) -> int:
    began, done, counts = time.monotonic(), 0, Counter[str]()
    for told in play(seeds, bug, jobs):
        if isinstance(told, str):
            print(f"\n{told}")
            return 1
        counts += told.counts
        done += 1
        if done % AT_ONCE == 0:
            print(f"\r{done:,} of {len(seeds):,} seeds", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(
        f"{done:,} seeds from {seeds.start}: {counts['steps']:,} steps, {counts['bids']:,} bids, {counts['crashes']:,} crashes,"
        f" {counts['doubled messages']:,} doubled messages; nothing broke ({time.monotonic() - began:.0f} s)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
