"""Bids are decided again after processes froze, after the disk was full and in a market that was restored from a
backup. No acknowledged bid is lost, and no person has to help.

Killed processes are tested in ``test_kill``.
"""

import asyncio
import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.runtime import load, standing
from tests.faults.bidding import OWN, POLICY, SERVERS, Bidding, bidding, check_recovery
from tests.faults.living import Lonja, MarketReader
from tests.servers import home_of_tests

pytestmark = pytest.mark.servers

SILENCE_LIMIT = 8
DISK = "700m"


@contextmanager
def own_disk(home: Path) -> Iterator[None]:
    """Mount a small file system at ``home`` while the block runs, if this account is root; otherwise only make the folder."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True, exist_ok=True)  # it is still there if a killed run left it mounted
    if os.geteuid() != 0:
        yield
        return
    subprocess.run(("mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(home)), check=True)
    try:
        yield
    finally:
        subprocess.run(("umount", "--lazy", str(home)), check=True)


def fill(disk: Path) -> Path:
    """Fill the disk with one file, and return its path."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 20))
        except OSError as error:
            assert error.errno == errno.ENOSPC, error
    return filler


@dataclass(frozen=True)
class Outcome:
    """The answers to bidders, and the state of the market: bids by supplier and request key, dead letters, and the
    supervisor's output."""

    acknowledged: list[dict[str, Any]]
    bids: dict[tuple[str, str], list[tuple[int | None, Decimal]]]
    dead_letters: list[str]
    output: str

    def misses(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the answers with which the market does not agree: to accepted bids that it does not have exactly once
        with the same number and amount, and to refused bids that it has as accepted."""

        def is_kept(line: dict[str, Any]) -> bool:
            rows = self.bids.get((line["supplier_id"], line["request_key"]), [])
            if line["verdict"] == "accepted":
                return rows == [(line["sequence"], Decimal(line["amount"]))]
            return all(sequence is None for sequence, _ in rows)

        return [line for line in lines if not is_kept(line)]


async def outcome(lonja: Lonja, acknowledged: list[dict[str, Any]]) -> Outcome:
    """Wait until each service has handled every event, and read the state of the market."""
    async with standing(lonja.config) as resources:
        books = MarketReader(resources, load(resources))
        await books.wait_until_handled(60)
        bids: dict[tuple[str, str], list[tuple[int | None, Decimal]]] = {}
        for row in await books.rows("select supplier_id, request_key, sequence, amount from auctions.bids"):
            bids.setdefault((row["supplier_id"], row["request_key"]), []).append((row["sequence"], row["amount"]))
        return Outcome(acknowledged, bids, await books.dead_letters(), lonja.output)


@dataclass(frozen=True)
class Results:
    """The results of all faults. ``pids``: the process ids of all parts before and after the supervisor slept."""

    first: Outcome
    restored: Outcome
    before_backup: list[dict[str, Any]]
    pids: tuple[dict[str, int], dict[str, int]]
    backup: Path


@pytest.fixture(scope="module")
async def results() -> AsyncIterator[Results]:
    folder = home_of_tests() / "recovery"
    shutil.rmtree(folder, ignore_errors=True)
    with own_disk(folder / "home"):
        first = Lonja(folder / "home", POLICY, SILENCE_LIMIT)
        try:
            await first.start()
            async with bidding(first, folder / "bids.jsonl", "--seconds", "900", "--bids-per-second", "8") as bids:
                await bids.wait_for_bids("the start")
                pids = await cause_faults(first, bids)
                before_backup = bids.acknowledged
                await run_command(first, "backup", str(folder / "backup"))
                await bids.wait_for_bids("the backup")
            there = await outcome(first, bids.acknowledged)
        finally:
            await first.stop()
            # the logs are kept; the disk is removed
            shutil.copytree(folder / "home" / "logs", folder / "logs")
    restored = folder / "restored"
    for left in ("secrets/kafka-lonja-owner", "ports.json"):  # files that an earlier command left there
        (restored / left).parent.mkdir(parents=True, exist_ok=True)
        (restored / left).write_text("{}")
    await run_command(first, "restore", str(folder / "backup"), LONJA_HOME=str(restored))
    second = Lonja(restored, POLICY)
    try:
        await second.start()
        more = ("--seed", "1", "--seconds", "5", "--bids-per-second", "15")
        async with bidding(second, folder / "more.jsonl", *more) as bids:
            assert await bids.process.wait() == 0
        yield Results(there, await outcome(second, bids.acknowledged), before_backup, pids, folder / "backup")
    finally:
        await second.stop()


async def cause_faults(lonja: Lonja, bids: Bidding) -> tuple[dict[str, int], dict[str, int]]:
    """Cause one fault after the other, each once bids are decided again. Return the process ids before and after the
    supervisor slept."""
    for part in OWN:
        await check_recovery(lonja, bids, f"{part} froze", lonja.freeze(part))
    await check_recovery(lonja, bids, "our processes froze", lonja.freeze(*OWN))
    await check_recovery(lonja, bids, "the servers froze", lonja.freeze(*SERVERS))
    await check_recovery(lonja, bids, "the servers slept and woke up", lonja.suspend(2 * SILENCE_LIMIT, *SERVERS))
    before = lonja.pids(*OWN, *SERVERS)
    await check_recovery(lonja, bids, "the supervisor slept", lonja.freeze_all(2 * SILENCE_LIMIT))
    after = lonja.pids(*OWN, *SERVERS)
    if os.geteuid() == 0:
        await check_recovery(lonja, bids, "the disk was full", fill_for_a_while(lonja.home, 15))
    await check_recovery(lonja, bids, "streams was killed", lonja.kill("streams"))
    return before, after


async def fill_for_a_while(disk: Path, seconds: float) -> None:
    filler = fill(disk)
    await asyncio.sleep(seconds)
    filler.unlink()


async def run_command(lonja: Lonja, *arguments: str, **settings: str) -> None:
    """Run a command of `lonja`, which must succeed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.cli", *arguments),
        env={**os.environ, **lonja.environment, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


def test_every_process_that_froze_was_noticed_and_started_again(results: Results) -> None:
    for part in OWN:
        assert f"CRASH: {part} gave no sign of life for {SILENCE_LIMIT} s and was killed" in results.first.output
    for part in SERVERS:
        assert f"CRASH: {part} gave no sign of life for {4 * SILENCE_LIMIT} s and was killed" in results.first.output


def test_a_supervisor_that_slept_stopped_no_process(results: Results) -> None:
    before, after = results.pids
    assert before == after


def test_every_acknowledged_bid_is_there_once_after_all_faults(results: Results) -> None:
    assert results.first.acknowledged
    assert results.first.misses(results.first.acknowledged) == []


def test_no_fault_made_a_dead_letter(results: Results) -> None:
    assert results.first.dead_letters == []


def test_every_bid_before_the_backup_is_in_the_restored_market_once(results: Results) -> None:
    assert results.before_backup
    assert results.restored.misses(results.before_backup) == []


def test_the_restored_market_takes_new_bids(results: Results) -> None:
    """New auctions were opened and got bids. `outcome` waited until each service had handled every event, old or new."""
    assert [line for line in results.restored.acknowledged if line["verdict"] == "accepted"]
    assert results.restored.misses(results.restored.acknowledged) == []
    assert results.restored.dead_letters == []


def test_only_the_owner_reads_a_backup(results: Results) -> None:
    assert stat.S_IMODE(results.backup.stat().st_mode) == 0o700
    secrets = list((results.backup / "secrets").iterdir())
    assert secrets
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
