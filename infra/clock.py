"""Time is an argument. Only this module reads the machine's clock."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
"""Return an aware UTC instant. In a process whose clock is wrong it raises WrongClock (:mod:`infra.machine_clock`)."""


def system_clock() -> datetime:
    return datetime.now(UTC)


class WrongClock(Exception):
    """This machine's clock is wrong."""

    code = "wrong-clock"
    remedy = (
        "Set the clock of this machine right, and that of the database's machine, and keep them so with NTP"
        " (chronyd or systemd-timesyncd)."
    )

    def __init__(self, what: str, remedy: str = "") -> None:
        """``remedy`` is given if setting the clock does not help."""
        self.remedy = remedy or self.remedy
        super().__init__(f"{what}, so this process decides nothing. {self.remedy}")
        self.what = what


class ManualClock:
    """A clock that tests move by hand."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> datetime:
        self.now += by
        return self.now


class ShiftedClock:
    """The machine's clock moved ahead, so that tests and demonstrations can let hours pass while everything runs."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return system_clock() + self._ahead

    def advance(self, by: timedelta) -> datetime:
        self._ahead += by
        return self()
