"""`lonja migrate`: tables and topics as this release needs them, while the market runs."""

import asyncio

from infra.cli.output import say
from infra.config import Config


def migrate() -> None:
    """Bring tables and topics up to date, beside processes of the former release; done again, it changes nothing."""
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
