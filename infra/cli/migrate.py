"""`lonja migrate`: brings tables and topics up to date with this release, while the market runs."""

import asyncio

from infra.cli.output import say
from infra.config import Config


def migrate() -> None:
    """Bring tables and topics up to date, while processes of the former release may run. A repeat changes nothing."""
    asyncio.run(_migrate(Config.running()))


async def _migrate(config: Config) -> None:
    from infra import migrations
    from infra.embedded import addresses
    from infra.runtime import prepare

    await prepare(config)
    if newer := await migrations.ahead(addresses(config)[0]):
        say(migrations.AHEAD.format(", ".join(newer)))
    else:
        say("tables and topics are up to date")
