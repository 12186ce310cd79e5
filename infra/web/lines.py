"""How many lines of the log one address may cause: whoever sends nonsense all day fills no disk, and hides nothing that others did."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)
MOST = 10
"""Lines that one address causes in a window; what comes after them is counted."""
WINDOW = 60
"""Seconds."""
ADDRESSES = 10_000
"""Told apart in one window; those that come after them share their lines."""


class Lines:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._window = 0.0
        self._counts: Counter[str] = Counter()

    def take(self, address: str) -> bool:
        """Count one more; False when it is one too many."""
        self.look()
        if address not in self._counts and len(self._counts) >= ADDRESSES:
            address = ""
        self._counts[address] += 1
        return self._counts[address] <= MOST

    def look(self) -> None:
        """Tell, once a window, how many lines were left out in the last one. Called every second, and before each line."""
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
"""Of this process."""


class OfAddress(logging.LoggerAdapter[logging.Logger]):
    """A logger whose warnings and errors one address causes."""

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
