"""The machine's clock, compared with times of a simulated database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from infra import machine_clock
from infra.away import is_away
from infra.clock import WrongClock
from infra.health import HEALTH, PartState
from infra.machine_clock import JUMP_SECONDS, MachineClock
from services.auctions.outages import STALLED

NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


class Machine:
    """A simulated machine. ``wrong``: seconds by which its clock is ahead of the true time."""

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


@pytest.mark.parametrize(("there", "back"), [(0.9, 0.0), (0.0, 0.9), (0.9, 0.9)])
def test_the_clocks_agree_where_the_whole_round_trip_leaves_no_other_answer(there: float, back: float) -> None:
    machine = Machine()
    assert machine.compare(there, back)
    machine.clock()


@pytest.mark.parametrize(
    ("wrong", "there", "back"), [(0.0, 4, 4), (0.9, 0.3, 0.3), (-0.9, 0.3, 0.3), (1.1, 0.3, 0.3), (2.0, 4, 4)]
)
def test_an_answer_that_took_too_long_says_nothing(wrong: float, there: float, back: float) -> None:
    machine = Machine(wrong)
    assert not machine.compare(there, back)
    with pytest.raises(WrongClock, match="could not be compared"):
        machine.clock()


def test_what_was_known_before_a_slow_answer_stays_known() -> None:
    machine = Machine()
    assert machine.compare()
    assert not machine.compare(4, 4)
    machine.clock()
    machine = Machine(3600)
    assert machine.compare(4, 4), "an hour is more than any doubt about eight seconds"
    machine.wrong = 0
    machine.seconds += JUMP_SECONDS
    assert not machine.compare(4, 4)
    with pytest.raises(WrongClock, match="ahead of"):
        machine.clock()


class SlowDatabase:
    """Answers with the time of ``machine``'s true clock; the first ``slow`` answers take eight seconds of it."""

    def __init__(self, machine: Machine, slow: int) -> None:
        self.machine, self.slow, self.asked = machine, slow, 0

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["SlowDatabase"]:
        yield self

    async def fetchval(self, _: str) -> datetime:
        self.asked += 1
        slowly = 4.0 if self.asked <= self.slow else 0.0
        self.machine.seconds += slowly
        told = NOON + timedelta(seconds=self.machine.seconds)
        self.machine.seconds += slowly
        return told


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_clock, "AGAIN", 0.0)


async def test_nobody_starts_before_it_is_known_that_the_clock_is_right(at_once: None) -> None:
    machine = Machine()
    database = SlowDatabase(machine, slow=40)
    await machine.clock.check_at_start(database)  # type: ignore[arg-type]
    assert database.asked == 41
    machine.clock()


async def test_a_clock_that_is_a_little_wrong_is_found_out_after_slow_answers(at_once: None) -> None:
    machine = Machine(3)
    database = SlowDatabase(machine, slow=40)
    with pytest.raises(WrongClock, match=r"3\.0 s ahead of"):
        await machine.clock.check_at_start(database)  # type: ignore[arg-type]
    assert database.asked == 41


async def test_while_it_is_not_known_the_process_is_not_ready_and_says_why(at_once: None) -> None:
    machine = Machine()
    database = SlowDatabase(machine, slow=10_000_000)
    starting = asyncio.create_task(machine.clock.check_at_start(database))  # type: ignore[arg-type]
    try:
        while database.asked < 20:
            await asyncio.sleep(0)
        [condition] = [each for each in HEALTH if (each.kind, each.name) == ("server", "clock")]
        assert condition.state is PartState.degraded and "could not be compared" in condition.detail
        assert "load of this machine" in condition.remedy
    finally:
        starting.cancel()
        HEALTH.report("server", "clock", PartState.running)


async def test_a_command_gives_up_and_decides_nothing(at_once: None) -> None:
    machine = Machine()
    with pytest.raises(WrongClock, match="could not be compared"):
        await machine.clock.check_at_start(SlowDatabase(machine, slow=10_000_000), patience=0.0)  # type: ignore[arg-type]


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
    """They notice it also if nobody read the clock between the jump and the next comparison."""
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
