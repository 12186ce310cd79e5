"""Two releases of Lonja in separate folders: the former one from the repository, and a newer one that is made from a
copy of this tree."""

import asyncio
import io
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from infra.embedded.ports import answers, remembered_port
from infra.embedded.process import Child, ProcessPart, Ready
from infra.migrations import newest_revision
from tests.rooms import PROJECT, ROOMS

FORMER = "7f05336c43a0eb1245ceca0dde20bcda6b427e38"
"""The commit of the former release: the last one before the current work. It is changed when that work is merged, and
must be a release that skips unknown events."""
MOTTO = "from the newer release"


@dataclass(frozen=True)
class Release:
    """A tree of code that is run with the packages of this environment, in a home that it may share with other
    releases."""

    name: str
    tree: Path
    home: Path
    settings: dict[str, str]

    @property
    def port(self) -> int:
        """The port of its web process."""
        return remembered_port(self.home, f"{self.name}-web")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which this tree is imported first and the current folder is not, also in child
        processes."""
        tree = {"PYTHONPATH": str(self.tree), "PYTHONSAFEPATH": "1"}
        return self.settings | tree | {"LONJA_HOME": str(self.home), "LONJA_PORT": str(self.port)}

    def part(self, name: str) -> ProcessPart:
        """Its web, worker or streams process."""

        async def web_answers() -> bool:
            return await answers(self.port)

        ready: Ready | None = web_answers if name == "web" else None
        arguments = ("streams",) if name == "streams" else ("serve", "--only", name)
        return ProcessPart(
            name=f"{self.name}-{name}",
            command=_command(*arguments),
            environment=self.environment,
            ready=ready,
            beats=True,
            port=self.port if name == "web" else None,
            ready_within=120,
        )

    def child(self, name: str) -> Child:
        return Child(self.part(name), self.home)

    async def lonja(self, *arguments: str) -> str:
        """Run a command, which must succeed. Return its output."""
        process = await asyncio.create_subprocess_exec(
            *_command(*arguments),
            env={**os.environ, **self.environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            said, errors = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, f"{arguments} of the {self.name} release: {errors.decode()}"
        return said.decode()


def _command(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "infra.cli", *arguments)


def unpack_former(folder: Path, commit: str = FORMER) -> None:
    """The rooms of the release of this commit, in ``folder``."""
    done = subprocess.run(["git", "archive", commit, *ROOMS], cwd=PROJECT, capture_output=True)
    assert done.returncode == 0, (
        f"This clone does not have commit {commit}, a former release. Fetch the whole history (git fetch --unshallow)."
        f" git says: {done.stderr.decode()}"
    )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tree:
        tree.extraction_filter = getattr(tarfile, "data_filter", None)  # available from Python 3.11.4 on
        tree.extractall(folder)


def brought_further(former: Path, newer: Path) -> list[str]:
    """The services for whose tables the newer release has further migrations, infra's own first."""
    histories = [former / "infra" / "operations", *sorted((former / "services").iterdir())]
    return [
        history.name
        for history in histories
        if {each.name for each in (newer / history.relative_to(former) / "migrations").glob("[0-9]*.py")}
        - {each.name for each in (history / "migrations").glob("[0-9]*.py")}
    ]


def plant_newer(folder: Path) -> None:
    """Make a copy of this tree with additions: ``AuctionOpened`` and ``OfferPublished`` in a new version with a motto,
    which contracts stores in a new column; a new type ``AuctionNoticed``, which quotes emits for each auction (it now
    reads a topic that it did not read before) and which pools counts in a new table (it now reads another such topic);
    and a view that reads a topic that no view read before."""
    for room in ROOMS:
        shutil.copytree(PROJECT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    _new_version(folder / "events" / "auctions.py", "AuctionOpened", key="auction_id")
    _new_version(folder / "events" / "catalogue.py", "OfferPublished", key="sku_id")
    _append(folder / "events" / "quotes.py", NOTICED)
    services = folder / "services"
    _append(services / "quotes" / "handlers.py", NOTICES)
    _append(services / "pools" / "handlers.py", COUNTS_NOTICES)
    _append(services / "contracts" / "store" / "replicas.py", KEEPS_MOTTOS)
    _replace(services / "contracts" / "handlers" / "__init__.py", "(replicas.put_auction)", "(replicas.put_with_motto)")
    _append(services / "recommender" / "agents.py", VIEWS_POOLS)
    _migration(services, "contracts", NEW_COLUMN)
    _migration(services, "pools", NEW_TABLE)


def _migration(services: Path, name: str, change: str) -> None:
    last = newest_revision(name)
    revision = f"{int(last) + 1:04d}"
    text = MIGRATION.format(revision=revision, last=last) + change
    (services / name / "migrations" / f"{revision}_newer.py").write_text(text)


def _new_version(file: Path, name: str, *, key: str) -> None:
    """Make the existing class version 1, and add the next version after it."""
    _replace(file, f"class {name}(Event,", f"class {name}V1(Event,")
    _append(file, NEW_VERSION.format(name=name, key=key, motto=MOTTO))


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
    file.write_text(text.replace(old, new))


def _append(file: Path, text: str) -> None:
    file.write_text(file.read_text() + text)


NEW_VERSION = '''

@event(key="{key}", version=2)
class {name}({name}V1, frozen=True, kw_only=True):
    """With a motto. Those of version 1 have none."""

    motto: str = "{motto}"

    def upcast(self) -> Event:
        return self


def _newer_{name}(older: {name}V1) -> {name}:
    fields = {{field: getattr(older, field) for field in {name}V1.__struct_fields__}}
    return {name}(**fields, motto="")


{name}V1.upcast = _newer_{name}
'''
NOTICED = '''

@event(key="auction_id")
class AuctionNoticed(Event, frozen=True, kw_only=True):
    """A type that only the newer release knows."""

    auction_id: Key
'''
NOTICES = """

from events.auctions import AuctionOpened
from events.quotes import AuctionNoticed


@reactions.on(AuctionOpened)
async def notice(tx: Transaction, event: AuctionOpened) -> None:
    tx.emit(AuctionNoticed(auction_id=event.auction_id))
"""
COUNTS_NOTICES = """

from events.quotes import AuctionNoticed


@reactions.on(AuctionNoticed)
async def count_notice(tx: Transaction, event: AuctionNoticed) -> None:
    sql = (
        "insert into pools.notices (auction_id, times) values ($1, 1)"
        " on conflict (auction_id) do update set times = notices.times + 1"
    )
    await (await tx.raw()).execute(sql, event.auction_id)
"""
KEEPS_MOTTOS = """

async def put_with_motto(tx: Transaction, event: AuctionOpened) -> None:
    await put_auction(tx, event)
    if event.motto:
        sql = "update contracts.auctions set motto = $2 where auction_id = $1"
        await (await tx.raw()).execute(sql, event.auction_id, event.motto)
"""
VIEWS_POOLS = """

from events.pools import PoolOpened


@interests.on(PoolOpened)
async def look_at_pool(tx: Transaction, event: PoolOpened) -> None:
    assert event.pool_id
"""
MIGRATION = '''"""the newer release knows more"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{last}"
branch_labels = None
depends_on = None
'''
NEW_COLUMN = """

def upgrade() -> None:
    op.add_column("auctions", sa.Column("motto", sa.Text()), schema="contracts")
"""
NEW_TABLE = """

def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("auction_id", sa.Text(), primary_key=True),
        sa.Column("times", sa.Integer(), nullable=False),
        schema="pools",
    )
"""
