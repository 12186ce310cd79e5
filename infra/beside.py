"""Work that takes processor time, in processes of its own beside the market, which goes first."""

import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from signal import SIG_IGN, SIGINT, signal

from infra.garbage import leave_what_stays

YIELDING = 5
"""By how much they are nicer than the market."""
LOOK_EVERY = 0.5


def processes(number: int) -> ProcessPoolExecutor:
    """So many at most, each begun when there is work for it."""
    return ProcessPoolExecutor(number, get_context("spawn"), _begin)


def _begin() -> None:
    """Of such a process: it gives way to the market, leaves Ctrl-C to its parent, and ends with it, however that ends."""
    os.nice(YIELDING)
    leave_what_stays()
    signal(SIGINT, SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def end_without(parent: int) -> None:
    """This process, begun by ``parent`` as a command of its own, ends within a second of it, however that ends."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_EVERY)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
