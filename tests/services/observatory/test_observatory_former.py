"""The code of the former release beside this one, on the same tables: it judges items that this one judged, and shows
snapshots that this one made."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from infra.clock import system_clock
from tests.faults.releases import unpack_former
from tests.services.observatory.test_observatory_growth import (
    Judged,
    all_is_read_back,
    contracts,
    item,
    observatory,
)

__all__ = ["item", "observatory"]
pytestmark = pytest.mark.servers

JUDGES = """
import asyncio, sys
from datetime import timedelta
from infra.clock import ShiftedClock
from infra.config import Config
from infra.runtime import standing
from services.observatory.service import create

async def main(key, ahead):
    clock = ShiftedClock()
    clock.advance(timedelta(seconds=float(ahead)))
    async with standing(Config.load(), clock) as ground, ground.database.transaction("observatory") as tx:
        (assess,) = (timer for timer in create(ground).timers if timer.name == "assess")
        await (await tx.raw()).execute("update observatory.items set due_at = $2 where item_key = $1", key, tx.now)
        assert await assess.action(tx) > 0

asyncio.run(main(*sys.argv[1:]))
"""
"""Run at the market's time, which tests moved ahead."""
SHOWS = """
import asyncio, sys
import httpx
from infra.config import Config
from infra.runtime import load, standing
from infra.web import create_app

async def main(*paths):
    config = Config.load()
    async with standing(config) as ground:
        app = httpx.ASGITransport(create_app(ground, load(ground, ("observatory",)), config.home / "static"))
        async with httpx.AsyncClient(transport=app, base_url="http://127.0.0.1", headers={"accept": "text/html"}) as browser:
            for path in paths:
                answer = await browser.get(path)
                print(path, answer.status_code, answer.text[:300] if answer.status_code >= 500 else "")
                print(answer.text)

asyncio.run(main(*sys.argv[1:]))
"""


class Former:
    def __init__(self, tree: Path, item: Judged) -> None:
        self.tree = tree
        self.item = item

    async def does(self, script: str, *arguments: str) -> str:
        config = self.item.market.resources.config
        where = {
            "LONJA_HOME": str(config.home),
            "LONJA_DATABASE_URL": config.database_url or "",
            "LONJA_POLICY": "demo",
        }
        where |= {"LONJA_KAFKA_BOOTSTRAP": config.kafka_bootstrap or ""}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script, *arguments),
            env={**os.environ, **where, "PYTHONPATH": str(self.tree), "PYTHONSAFEPATH": "1"},
            cwd=self.tree,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return said.decode()


@pytest.fixture
def former(tmp_path: Path, item: Judged) -> Former:
    unpack_former(tmp_path)
    return Former(tmp_path, item)


async def test_the_former_release_judges_in_turn_with_this_one_and_each_shows_what_the_other_made(
    item: Judged, former: Former
) -> None:
    some = contracts(item, 12)
    for number in (6, 9, 12):
        await item.hears(*some[number - 6 : number - 2])
        mine = await item.is_judged()
        pages = (f"/observatory/items/{item.key}", f"/observatory/references/{mine}")
        observations = f"/observatory/references/{mine}/observations.csv"
        told = await former.does(SHOWS, *pages, observations)
        assert all(f"{page} 200" in told for page in (*pages, observations))
        assert "Price over time" in told and "Reference price" in told
        assert told.split(f"{observations} 200")[1].count("Supplier at") == number - 2

        await item.hears(*some[number - 2 : number])
        ahead = item.market.clock() - system_clock()
        await former.does(JUDGES, item.key, str(ahead.total_seconds()))
        await item.rests()
        (row,) = await item.market.fetch(
            "select s.terms, s.reference_id, s.body->>'verdicts' as verdicts from observatory.snapshots s"
            " join observatory.items i using (reference_id) where i.item_key = $1",
            item.key,
        )
        assert row["terms"] is not None and row["reference_id"] != mine
        assert await item.is_judged() == row["reference_id"]  # it has the same result, so this release makes no version
    await all_is_read_back(item)
