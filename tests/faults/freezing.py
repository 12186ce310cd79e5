"""``python -m tests.faults.freezing``: how long bids and events are interrupted when a part freezes for 40 s.

It runs with the limits that an installation has by default, so it takes ten minutes; the tests of the same faults are
in ``test_recovery``. A frozen process continues afterwards if the supervisor did not kill it.
"""

import asyncio
import shutil
from pathlib import Path

from infra.config import Config
from tests.faults.bidding import OWN, POLICY, SERVERS, bidding, check_recovery
from tests.faults.living import Lonja

SECONDS = 40


async def main() -> None:
    home = Path(".lonja-bench/freezing")
    shutil.rmtree(home, ignore_errors=True)
    limit = Config.load({}).silence_limit
    lonja = Lonja(home, POLICY, limit)
    try:
        await lonja.start()
        async with bidding(lonja, home / "bids.jsonl", "--seconds", "1200", "--bids-per-second", "8") as bids:
            await bids.wait_for_bids("the start")
            for part in OWN:
                assert limit < SECONDS, "it is killed"
                await check_recovery(lonja, bids, f"{part} froze for {SECONDS} s", lonja.freeze(part))
            for part in SERVERS:
                sleep = lonja.suspend(SECONDS, part)
                await check_recovery(lonja, bids, f"{part} froze for {SECONDS} s", sleep)
            await check_recovery(lonja, bids, f"the supervisor froze for {SECONDS} s", lonja.freeze_all(SECONDS))
    finally:
        await lonja.stop()


if __name__ == "__main__":
    asyncio.run(main())
