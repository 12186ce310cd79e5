"""The machine's clock without a database: what it makes of the database's time."""

from datetime import UTC, datetime, timedelta

import pytest

from infra.away import is_away
from infra.clock import WrongClock
from infra.machine_clock import JUMP_SECONDS, MachineClock
from services.auctions.outages import STALLED

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


class Machine:
    """``wrong``: seconds by which its clock is ahead of the true time."""

    def __init__(self, wrong: float = 0.0) -> None:
        self.seconds = 0.0
        self.wrong = wrong
        self.clock = MachineClock(lambda: NOON + timedelta(seconds=self.seconds + self.wrong), lambda: self.seconds)

    def compare(self, there: float = 0.0, back: float = 0.0, database_wrong: float = 0.0) -> bool:
        _, asked_at = self.clock.look()
        self.seconds += there
        told = NOON + timedelta(seconds=self.seconds + database_wrong)
        self.seconds += back
        return self.clock.compare(told, asked_at, self.clock.look())


@pytest.mark.parametrize("wrong", [0.0, 0.9, -0.9])
def test_a_clock_that_agrees_within_a_second_says_the_time(wrong: float) -> None:
    machine = Machine(wrong)
    assert machine.compare(0.01, 0.01)
    assert machine.clock() == NOON + timedelta(seconds=machine.seconds + wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(13 * 3600.0, "46800.0 s ahead of"), (-13 * 3600.0, "46800.0 s behind"), (1.1, "1.1 s ahead of")],
)
def test_a_clock_that_differs_refuses_and_says_what_to_do(wrong: float, said: str) -> None:
    machine = Machine(wrong)
    assert machine.compare()
    with pytest.raises(WrongClock, match=said) as caught:
        machine.clock()
    assert "NTP" in str(caught.value) and caught.value.code == "wrong-clock"
    assert is_away(caught.value), "what waits for the database waits for the clock, too"


@pytest.mark.parametrize(("there", "back"), [(1.9, 0.0), (0.0, 1.9), (0.95, 0.95)])
def test_half_the_round_trip_is_allowed_for(there: float, back: float) -> None:
    machine = Machine()
    assert machine.compare(there, back)
    machine.clock()


def test_an_answer_that_took_too_long_says_nothing() -> None:
    machine = Machine()
    assert not machine.compare(4, 4)
    machine.clock()
    machine.wrong = 3600
    assert machine.compare(4, 4), "an hour is more than any doubt about eight seconds"
    with pytest.raises(WrongClock):
        machine.clock()
    assert not Machine(2).compare(4, 4)


def test_a_jump_is_noticed_at_once_and_forgiven_when_the_database_agrees() -> None:
    machine = Machine()
    machine.compare()
    machine.seconds += 3600
    machine.clock()
    machine.wrong = -30
    with pytest.raises(WrongClock, match=r"jumped by -30\.0 s"):
        machine.clock()
    machine.compare(database_wrong=-30)
    machine.seconds += JUMP_SECONDS
    machine.clock()


def test_a_jump_of_the_whole_machine_is_noticed_by_all_who_ask_within_seconds() -> None:
    """Also where nobody asked between the jump and the next comparison."""
    machine = Machine()
    machine.compare()
    machine.wrong = 3600
    machine.compare(database_wrong=3600)
    machine.seconds += STALLED
    with pytest.raises(WrongClock, match=r"jumped by \+3600\.0 s"):
        machine.clock()
    machine.compare(database_wrong=3600)
    machine.seconds += JUMP_SECONDS - STALLED
    assert machine.clock() == NOON + timedelta(seconds=machine.seconds + 3600)


def test_a_clock_that_is_set_right_says_the_time_again() -> None:
    machine = Machine(3600)
    machine.compare()
    with pytest.raises(WrongClock):
        machine.clock()
    machine.wrong = 0
    with pytest.raises(WrongClock):
        machine.clock()
    machine.compare()
    machine.seconds += JUMP_SECONDS
    machine.clock()
