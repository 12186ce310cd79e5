"""Limits how many lines of the log one address may cause, so that an address that sends wrong requests all day neither
fills the disk nor hides what others did."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)
MOST = 10
"""The most lines of one address in a window; further ones are only counted."""
WINDOW = 60
"""The length of a window, in seconds."""
ADDRESSES = 10_000
"""The most addresses that are counted separately in one window; later ones share their lines."""


class Lines:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._window = 0.0
        self._counts: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Count one more line of the address. False if it is over the limit."""
        self.look()
        if address not in self._counts and len(self._counts) >= ADDRESSES:
            address = ""
        self._counts[address] += 1
        return self._counts[address] <= MOST

    def look(self) -> None:
        """Log, once a window, how many lines were left out in the last one. Called every second, and before each
        line."""
        window = self._clock() // WINDOW
        if window == self._window:
            return
        self._window = window
        left_out = Counter({address: count - MOST for address, count in self._counts.items() if count > MOST})
        self._counts.clear()
        if left_out:
            (address, most), *_ = left_out.most_common(1)
            log.warning(
                "%d lines about the requests of %d addresses were left out within a minute, %d of them about %s",
                left_out.total(),
                len(left_out),
                most,
                address or "many others",
            )


LINES = Lines()
"""The lines of this process."""


class OfAddress(logging.LoggerAdapter[logging.Logger]):
    """A logger for warnings and errors that one address causes."""

    def __init__(self, logger: logging.Logger, address: str) -> None:
        super().__init__(logger)
        self._address = address

    @property
    def level(self) -> int:
        return self.logger.level

    def isEnabledFor(self, level: int) -> bool:
        return super().isEnabledFor(level) and (level < logging.WARNING or LINES.take(self._address))

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        return msg, kwargs
