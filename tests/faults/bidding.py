"""A market with continuous bids, in which a fault happens: afterwards bids are answered again, and all services get
their events."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.runtime import load, standing
from tests.faults.living import Lonja, MarketReader, until

POLICY = """\
based_on = "moscow"
title = "Mini-auctions that outlast the test"
working_day_minutes = 30
auction.durations = [ { minutes = 24, kinds = ["goods"] }, { minutes = 48, kinds = ["goods"] } ]
"""
OWN = ("web", "worker", "streams")
SERVERS = ("kafka", "postgres")
PROOF = 20
"""This many acknowledged verdicts after each fault show that bids are decided again."""


@dataclass
class Bidding:
    """Bids of `lonja simulate`; the file ``record`` has every acknowledged verdict."""

    record: Path
    process: asyncio.subprocess.Process
    since: float = field(default_factory=time.monotonic)

    @property
    def acknowledged(self) -> list[dict[str, Any]]:
        """The acknowledged verdicts, from whole lines only: the last one may be incomplete."""
        text = self.record.read_text() if self.record.exists() else ""
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    async def wait_for_bids(self, what: str) -> None:
        seen = len(self.acknowledged)
        await until(lambda: len(self.acknowledged) >= seen + PROOF, 90, f"bids are answered after {what}")
        now = time.monotonic()
        print(f"{what}: {PROOF} bids were answered {now - self.since:.1f} s after it began")
        self.since = now


@asynccontextmanager
async def bidding(lonja: Lonja, record: Path, *options: str) -> AsyncIterator[Bidding]:
    command = ("simulate", "--json", "--no-finish", "--record", str(record), "--patience", "90", *options)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "infra.cli", *command),
        env={**os.environ, **lonja.environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Bidding(record, process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def check_recovery(lonja: Lonja, bids: Bidding, what: str, happens: Coroutine[Any, Any, None]) -> None:
    """Check that bids are answered after the fault, and that each service and view gets the events published until
    then."""
    await lonja.runs(*OWN)
    began = bids.since = time.monotonic()
    await happens
    print(f"{what}: the fault lasted {time.monotonic() - began:.1f} s")
    await bids.wait_for_bids(what)
    async with standing(lonja.config, patient=True) as resources:
        await MarketReader(resources, load(resources)).wait_until_caught_up(60)
    print(f"{what}: every published event was handled {time.monotonic() - began:.1f} s after it began")
