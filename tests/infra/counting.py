"""A service of one Faust view that counts organisations by name; run as a program it is a worker for it."""

import asyncio

from sqlmodel import Field

from events import Message
from events.accounts import OrganisationRegistered
from infra import runtime
from infra.config import Config
from infra.database import Transaction, schema_rows
from infra.ids import new_id
from infra.service import Service, View

Row = schema_rows("counting")


class Figure(Row, table=True):  # type: ignore[call-arg, misc, valid-type]
    __tablename__ = "figures"

    name: str = Field(primary_key=True)
    heard: int


def heard(name: str) -> OrganisationRegistered:
    return OrganisationRegistered(organisation_id=new_id(), roles=("buyer",), name=name, identifier_scheme="COUNTING")


async def count(tx: Transaction, message: Message) -> None:
    event = message.event
    assert isinstance(event, OrganisationRegistered)
    if event.identifier_scheme == "COUNTING":
        connection = await tx.raw()
        await connection.execute(
            "insert into counting.figures values ($1, 1) on conflict (name) do update set heard = counting.figures.heard + 1",
            event.name,
        )


async def forget(tx: Transaction) -> None:
    await (await tx.raw()).execute("delete from counting.figures")


VIEW = View("counting.figures", {OrganisationRegistered: count}, forget)
SERVICE = Service("counting", Row.metadata, views=[VIEW])

if __name__ == "__main__":
    runtime.load = lambda ground, names=(): [SERVICE]  # type: ignore[assignment]
    asyncio.run(runtime.run_streams(Config.load()))
