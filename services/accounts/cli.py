"""`lonja members`: members that nobody may register by themselves (staff), and the first of all."""

import asyncio
from typing import Annotated

import typer

from infra.cli.output import AsJson, print_json, say

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Members of organisations, staff included.")


@app.callback()
def members() -> None:
    """A group of its own even with one command."""


@app.command()
def add(
    email: Annotated[str, typer.Option(help="The address to log in with.")],
    name: Annotated[str, typer.Option(help="The person's name.")],
    organisation: Annotated[str, typer.Option(help="Found by its name, or made.")],
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
    """Add a member. One with that address stays as it is."""
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
        async with standing(Config.running()) as ground, ground.database.transaction("accounts") as tx:
            return await ensure_member(tx, wanted, password_hash)

    member = asyncio.run(work())
    if as_json:
        print_json(msgspec.to_builtins(member))
    else:
        say(f"{member.email} acts for {organisation} as {', '.join(member.roles)}")
