"""Processes that freeze, a full disk, and a market that is restored from a backup: all during bids, and all without a
person's help.

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
from tests.faults.bidding import OWN, POLICY, SERVERS, Bidding, bidding, comes_through
from tests.faults.living import Books, Lonja
from tests.servers import home_of_tests

pytestmark = pytest.mark.servers

SILENCE_LIMIT = 8
DISK = "700m"


@contextmanager
def own_disk(home: Path) -> Iterator[None]:
    """A small file system at ``home``, if this account (root) may mount one."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True, exist_ok=True)  # something that a killed run left mounted there stays
    if os.geteuid() != 0:
        yield
        return
    subprocess.run(("mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(home)), check=True)
    try:
        yield
    finally:
        subprocess.run(("umount", "--lazy", str(home)), check=True)


def fill(disk: Path) -> Path:
    """Write a file that leaves no byte free."""
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
    """The answers to bidders, and the state of the market: bids by their keys, dead letters, the supervisor's
    output."""

    acknowledged: list[dict[str, Any]]
    bids: dict[tuple[str, str], list[tuple[int | None, Decimal]]]
    buried: list[str]
    said: str

    def misses(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The accepted bids that the market does not have exactly once as answered, and the refused bids that it
        accepted."""

        def is_kept(line: dict[str, Any]) -> bool:
            rows = self.bids.get((line["supplier_id"], line["request_key"]), [])
            if line["verdict"] == "accepted":
                return rows == [(line["sequence"], Decimal(line["amount"]))]
            return all(sequence is None for sequence, _ in rows)

        return [line for line in lines if not is_kept(line)]


async def outcome(lonja: Lonja, acknowledged: list[dict[str, Any]]) -> Outcome:
    async with standing(lonja.config) as resources:
        books = Books(resources, load(resources))
        await books.all_is_heard(60)
        bids: dict[tuple[str, str], list[tuple[int | None, Decimal]]] = {}
        for row in await books.rows("select supplier_id, request_key, sequence, amount from auctions.bids"):
            bids.setdefault((row["supplier_id"], row["request_key"]), []).append((row["sequence"], row["amount"]))
        return Outcome(acknowledged, bids, await books.buried(), lonja.said)


@dataclass(frozen=True)
class Told:
    """The results. ``pids``: the process ids of all parts before and after the supervisor was stopped."""

    first: Outcome
    restored: Outcome
    before_backup: list[dict[str, Any]]
    pids: tuple[dict[str, int], dict[str, int]]
    backup: Path


@pytest.fixture(scope="module")
async def told() -> AsyncIterator[Told]:
    folder = home_of_tests() / "recovery"
    shutil.rmtree(folder, ignore_errors=True)
    with own_disk(folder / "home"):
        first = Lonja(folder / "home", POLICY, SILENCE_LIMIT)
        try:
            await first.start()
            async with bidding(first, folder / "bids.jsonl", "--seconds", "900", "--bids-per-second", "8") as bids:
                await bids.goes_on("the start")
                pids = await trouble(first, bids)
                before_backup = bids.acknowledged
                await command(first, "backup", str(folder / "backup"))
                await bids.goes_on("the backup")
            there = await outcome(first, bids.acknowledged)
        finally:
            await first.stop()
            # the disk is removed, and its path gives no more information
            shutil.copytree(folder / "home" / "logs", folder / "logs")
    restored = folder / "restored"
    for left in ("secrets/kafka-lonja-owner", "ports.json"):  # as left by a command that was tried in it before
        (restored / left).parent.mkdir(parents=True, exist_ok=True)
        (restored / left).write_text("{}")
    await command(first, "restore", str(folder / "backup"), LONJA_HOME=str(restored))
    second = Lonja(restored, POLICY)
    try:
        await second.start()
        more = ("--seed", "1", "--seconds", "5", "--bids-per-second", "15")
        async with bidding(second, folder / "more.jsonl", *more) as bids:
            assert await bids.process.wait() == 0
        yield Told(there, await outcome(second, bids.acknowledged), before_backup, pids, folder / "backup")
    finally:
        await second.stop()


async def trouble(lonja: Lonja, bids: Bidding) -> tuple[dict[str, int], dict[str, int]]:
    for part in OWN:
        await comes_through(lonja, bids, f"{part} froze", lonja.freeze(part))
    await comes_through(lonja, bids, "our processes froze", lonja.freeze(*OWN))
    await comes_through(lonja, bids, "the servers froze", lonja.freeze(*SERVERS))
    await comes_through(lonja, bids, "the servers slept and woke up", lonja.lets_sleep(2 * SILENCE_LIMIT, *SERVERS))
    before = lonja.pids(*OWN, *SERVERS)
    await comes_through(lonja, bids, "the supervisor slept", lonja.freeze_all(2 * SILENCE_LIMIT))
    after = lonja.pids(*OWN, *SERVERS)
    if os.geteuid() == 0:
        await comes_through(lonja, bids, "the disk was full", disk_is_full(lonja.home, 15))
    await comes_through(lonja, bids, "streams was killed", lonja.kill("streams"))
    return before, after


async def disk_is_full(disk: Path, seconds: float) -> None:
    filler = fill(disk)
    await asyncio.sleep(seconds)
    filler.unlink()


async def command(lonja: Lonja, *arguments: str, **settings: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.cli", *arguments),
        env={**os.environ, **lonja.environment, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


def test_every_process_that_froze_was_noticed_and_started_again(told: Told) -> None:
    for part in OWN:
        assert f"CRASH: {part} gave no sign of life for {SILENCE_LIMIT} s and was killed" in told.first.said
    for part in SERVERS:
        assert f"CRASH: {part} gave no sign of life for {4 * SILENCE_LIMIT} s and was killed" in told.first.said


def test_a_supervisor_that_slept_stopped_nobody(told: Told) -> None:
    before, after = told.pids
    assert before == after


def test_every_acknowledged_bid_is_there_once_after_all_troubles(told: Told) -> None:
    assert told.first.acknowledged
    assert told.first.misses(told.first.acknowledged) == []


def test_no_trouble_made_a_dead_letter(told: Told) -> None:
    assert told.first.buried == []


def test_every_bid_before_the_backup_is_in_the_restored_market_once(told: Told) -> None:
    assert told.before_backup
    assert told.restored.misses(told.before_backup) == []


def test_the_restored_market_goes_on(told: Told) -> None:
    """New auctions were opened and got bids; every event, old or new, was handled once by each service, for which
    `outcome` waited."""
    assert [line for line in told.restored.acknowledged if line["verdict"] == "accepted"]
    assert told.restored.misses(told.restored.acknowledged) == []
    assert told.restored.buried == []


def test_only_the_owner_reads_a_backup(told: Told) -> None:
    assert stat.S_IMODE(told.backup.stat().st_mode) == 0o700
    secrets = list((told.backup / "secrets").iterdir())
    assert secrets
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
