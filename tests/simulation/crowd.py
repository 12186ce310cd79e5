"""Play many seeds, on every core."""

import gc
import os
from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context

from tests.simulation.story import Failed, Report, run


def play(seeds: range, bug: str = "", jobs: int | None = None) -> Iterator[Report | str]:
    """Yield the reports in the order of the seeds, or the text of a failure. ``jobs`` is the number of processes, by
    default one for each core."""
    with get_context("spawn").Pool(jobs or os.cpu_count(), initializer=gc.freeze) as pool:
        yield from pool.imap(partial(_told, bug=bug), seeds, chunksize=10)


def _told(seed: int, bug: str) -> Report | str:
    try:
        return run(seed, bug)
    except Failed as failed:
        return str(failed)
