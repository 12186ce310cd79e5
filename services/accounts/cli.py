"""`lonja members`: lists members, and adds members, including staff (who cannot register themselves) and the first
member of a market."""

import asyncio
from typing import Annotated, Any

import typer

from infra.cli.market import market_connection
from infra.cli.output import AsJson, print_json, print_table, say

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Members of organisations, staff included.")


@app.command()
def add(
    email: Annotated[str, typer.Option(help="The address to log in with.")],
    name: Annotated[str, typer.Option(help="The person's name.")],
    organisation: Annotated[str, typer.Option(help="The organisation: found by its name, or made.")],
    role: Annotated[
        list[str],
        typer.Option(help="administrator, moderator, observer, supplier_agent, buyer_officer or buyer_approver."),
    ],
    country: Annotated[str, typer.Option(help="Of the organisation, where it is made: ISO 3166-1, such as ES.")],
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)],
    region: Annotated[str, typer.Option(help="ISO 3166-2 code or name.")] = "",
    locality: str = "",
    language: Annotated[str, typer.Option(help="en, es or ru.")] = "en",
    category: Annotated[list[str] | None, typer.Option(help="CPV code that a supplier works in.")] = None,
    as_json: AsJson = False,
) -> None:
    """Add a member. An existing member with that address is not changed."""
    import msgspec

    from infra.config import Config
    from infra.runtime import standing
    from services.accounts import passwords
    from services.accounts.categories import read_categories
    from services.accounts.domain import Member, checked_password
    from services.accounts.handlers import NewMember, ensure_member

    wanted = NewMember(
        email=email,
        name=name,
        roles=tuple(role),
        organisation=organisation,
        country=country,
        region=region,
        locality=locality,
        language=language,
        categories=read_categories(category or [], ""),
    )

    async def work() -> Member:
        password_hash = await passwords.hashed(checked_password(password, email, name, organisation))
        async with standing(Config.running()) as resources, resources.database.transaction("accounts") as tx:
            return await ensure_member(tx, wanted, password_hash)

    member = asyncio.run(work())
    if as_json:
        print_json(msgspec.to_builtins(member))
    else:
        say(f"{member.email} acts for {organisation} as {', '.join(member.roles)}")


@app.command("list")
def list_all(
    after: Annotated[str, typer.Option(metavar="EMAIL", help="Continue after this address.")] = "",
    most: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Members of all organisations with their roles, by address."""
    from infra.config import Config
    from services.accounts.store.members import all_members

    async def work() -> list[dict[str, Any]]:
        async with market_connection(Config.running(), "accounts.members") as connection:
            return await all_members(connection, after, most + 1)

    rows = asyncio.run(work())
    found = rows[:most]
    if as_json:
        print_json(found)
        return
    columns = ("email", "name", "organisation", "roles", "joined_at")
    print_table(
        columns, ([", ".join(one["roles"]) if name == "roles" else one[name] for name in columns] for one in found)
    )
    if len(rows) > most:
        say(f"there are more: `lonja members list --after {found[-1]['email']}`")
