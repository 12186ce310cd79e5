"""Thousands of stories on the simulated servers: every invariant holds, everything that can happen happened, and
planted bugs are found."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.simulation.crowd import play
from tests.simulation.faults import Faults
from tests.simulation.planted import PLANTED
from tests.simulation.story import Failed, run

SEEDS = 2000
ENOUGH = 150
"""The number of seeds within which every planted bug must be found."""
HAPPENED = {
    "bids": 30_000,
    "BidAccepted": 10_000,
    "BidRefused": 10_000,
    "extended": 5_000,
    "automatic cuts": 500,
    "BidDeleted": 200,
    "TurnEnded": 1_000,
    "RoundBegan": 500,
    "extended for outage": 100,
    "extended for restart": 50,
    "auctions successful": 1_000,
    "auctions unsuccessful": 10,
    "auctions withdrawn": 100,
    "crashes": 1_000,
    "clock jumps": 300,
    "outage": 200,
    "cut": 300,
    "doubt": 500,
    "lock waits": 3_000,
    "keys refused": 1_000,
    "lock timeouts": 200,
    "locked auctions left out": 1_000,
    "not outdated": 10_000,
    "outdated": 5_000,
    "unanswered": 2_000,
    "retries": 5_000,
    "request_doubled": 1_000,
    "answer_lost": 1_000,
    "message_lost": 300,
    "message_doubled": 300,
    "message_unsure": 100,
    "redelivery": 2_000,
    "doubled messages": 2_000,
}
"""How often each thing must happen at least in all seeds together. ``cut``: a connection broke. ``doubt``: it broke after
a commit, so that the client does not know whether the work is kept. ``not outdated`` and ``outdated``: a batch of the
lane found its auctions as it had read them, or changed meanwhile."""


def test_one_seed_gives_exactly_the_same_story_again() -> None:
    told = [run(seed).trace for seed in (3, 4)]
    assert told == [run(seed).trace for seed in (3, 4)]
    assert told[0] != told[1]


@pytest.mark.long
def test_a_few_stories_hold() -> None:
    counts: Counter[str] = Counter()
    for seed in range(12):
        counts += run(seed).counts
    assert counts["crashes"] and counts["bids"] and counts["doubled messages"]


def test_without_faults_every_request_is_answered_at_once() -> None:
    report = run(1, faults=Faults(latency_seconds=0.004))
    assert report.counts["bids"] and not report.counts["crashes"] and not report.counts["unanswered"]


def test_a_failure_names_its_seed_its_last_steps_and_the_command_that_plays_it_again() -> None:
    with pytest.raises(Failed) as caught:
        run(1, "original-end")
    said = str(caught.value)
    assert said.startswith("seed 1: Broken: ")
    assert "has committed" in said
    assert said.endswith("python -m tests.simulation --seed 1 --plant original-end")


@pytest.mark.long
def test_another_process_gives_the_same_story() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seed", "7"],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.splitlines()[-1] == f"seed 7: nothing broke; trace {run(7).trace}"


@pytest.mark.long
def test_two_thousand_stories_hold_and_all_of_it_happened() -> None:
    counts: Counter[str] = Counter()
    for told in play(range(SEEDS)):
        assert not isinstance(told, str), told
        counts += told.counts
    assert {name: (counts[name], least) for name, least in HAPPENED.items() if counts[name] < least} == {}


@pytest.mark.long
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(bug: str) -> None:
    for seed in range(ENOUGH):
        try:
            run(seed, bug)
        except Failed:
            return
    pytest.fail(f"{bug} was not found in {ENOUGH} seeds")
