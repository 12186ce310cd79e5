"""`lonja demo`: fills the running market with the demonstration, and shows the logins."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from infra.cli.market import answering
from infra.cli.output import AsJson, print_json, print_table, say
from infra.config import Config

if TYPE_CHECKING:
    from services.demonstration.cast import Player


def demo(as_json: AsJson = False) -> None:
    """Fill an empty market with agencies, suppliers, goods, offers, auctions and a pool. A repeat changes nothing."""
    config = Config.running()
    filled = asyncio.run(fill(config, print_nothing if as_json else say))
    if as_json:
        print_json({"filled": filled, "url": config.public_url, "logins": logins(config)})
        return
    say("filled" if filled else "the demonstration exists already")
    show_logins(config)


def print_nothing(line: str) -> None:
    """Print no progress, because the output is for programs."""


async def fill(config: Config, tell: Callable[[str], None]) -> bool:
    """Fill the market. Return whether it was empty. Raise NotRunning and the errors of
    :func:`services.demonstration.seed.seed`."""
    url = await answering(config.local_url)

    from catalogue.policy import load
    from infra.runtime import standing
    from services.demonstration.seed import demo_password, seed

    async with standing(config) as resources:
        return await seed(url, resources.database, demo_password(config), load(config.policy, config.policies), tell)


def logins(config: Config) -> list[dict[str, str]]:
    from services.demonstration.cast import cast
    from services.demonstration.seed import demo_password

    password = demo_password(config)
    kinds: dict[str, Sequence[Player]] = {"agency": cast().agencies, "supplier": cast().suppliers, "": cast().staff}
    return [
        {"role": kind or player.role, "organisation": player.name, "email": player.email, "password": password}
        for kind, players in kinds.items()
        for player in players
    ]


def show_logins(config: Config) -> None:
    """Print one login of each role; the others have numbers."""
    rows = logins(config)
    shown = [row for row in rows if row["email"].partition("@")[0].isalpha()]
    print_table(("log in as", "e-mail"), ((row["role"], row["email"]) for row in shown))
    counts = {role: sum(row["role"] == role for row in rows) for role in ("agency", "supplier")}
    say(f"also agency2 to agency{counts['agency']} and supplier2 to supplier{counts['supplier']}")
    say(f"the password of all: {rows[0]['password']}")
