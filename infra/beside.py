"""Runs work that takes processor time in separate processes of lower priority than the market."""

import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from signal import SIG_IGN, SIGINT, signal

from infra.garbage import leave_what_stays

YIELDING = 5
"""The niceness that is added to these processes."""
LOOK_EVERY = 0.5


def processes(number: int) -> ProcessPoolExecutor:
    """A pool of at most this many processes, each started when there is work for it."""
    return ProcessPoolExecutor(number, get_context("spawn"), _begin)


def _begin() -> None:
    """Initialise such a process: lower its priority, leave Ctrl-C to its parent, and make it end when the parent ends
    for any reason."""
    os.nice(YIELDING)
    leave_what_stays()
    signal(SIGINT, SIG_IGN)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def end_without(parent: int) -> None:
    """End this process, which ``parent`` started as a separate command, within a second after the parent ended for any
    reason."""

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
