"""`lonja doctor`: checks whether everything that Lonja needs is there, and says what to do if not."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from infra.broker import where
from infra.cli.output import AsJson, print_json, print_table
from infra.config import Config
from infra.running import Frozen, NotRunning, in_words

if TYPE_CHECKING:
    import asyncpg

NEEDED_DISK = 1 << 30


@dataclass(frozen=True)
class Finding:
    """The result of one check; `remedy` says what to do if it is not ok."""

    what: str
    ok: bool
    found: str
    remedy: str = ""


def doctor(as_json: AsJson = False) -> None:
    """Check this machine, the servers and every part of the market that runs; exit code 1 if something is not in order.

    The market's figures are those of /health/ready and /metrics: queues, consumers, processes, clocks, dead letters.
    """
    findings = list(examine(Config.running()))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(
            ("check", "result", "found", "remedy"),
            ((f.what, "ok" if f.ok else "FAILED", f.found, "" if f.ok else f.remedy) for f in findings),
        )
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def examine(config: Config) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer, then `make setup`")
    if config.database_url is None:
        yield _postgres_wheel()
    if config.kafka_bootstrap is None:
        yield _java()
        yield _jars(config)
    config.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(config.home).free
    yield Finding(
        "disk", free > NEEDED_DISK, f"{free >> 20} MiB free in {config.home}", "free 1 GiB, or set LONJA_HOME"
    )
    yield from asyncio.run(_servers(config))


def _postgres_wheel() -> Finding:
    from infra.embedded import postgres

    path = postgres.binary("postgres")
    return Finding("postgres wheel", path.exists(), str(path), "`make setup`, or set LONJA_DATABASE_URL to a server")


def _java() -> Finding:
    from infra.embedded import kafka

    done = subprocess.run([kafka.java(), "-version"], capture_output=True, text=True)
    found = done.stderr.partition("\n")[0]
    return Finding("java", done.returncode == 0, found, "`make setup`, or set JAVA_HOME to a Java 17 or newer")


def _jars(config: Config) -> Finding:
    from infra.embedded import jars

    missing = [jar.file_name for jar in jars.pinned() if not (config.cache / "jars" / jar.file_name).exists()]
    found = f"{len(missing)} missing, the first {missing[0]}" if missing else f"{len(jars.pinned())} in {config.cache}"
    return Finding("jars", not missing, found, "`make setup`")


async def _servers(config: Config) -> list[Finding]:
    from events.topics import TOPICS
    from infra.cli.topics import message_counts
    from infra.embedded import addresses
    from infra.embedded.ports import answers
    from infra.supervisor import read_state

    url, bootstrap = addresses(config)
    running = read_state(config.home)
    taken = await answers(config.port, config.local_host)
    ours = "web" in running
    if taken and not ours:
        web = Finding("web port", False, f"{config.port} is taken by another program", "set LONJA_PORT to a free port")
    else:
        web = Finding("web port", True, f"{config.port} {'answers' if taken else 'is free'}")
    findings = [web]
    findings.append(await _postgres(config, url))
    lacking: list[str] | None = None
    """None if Kafka does not say."""
    try:
        held = await message_counts(bootstrap)
    except NotRunning as failure:
        remedy = failure.remedy if isinstance(failure, Frozen) else _how_to_start(config, "kafka")
        findings.append(Finding("kafka", False, failure.what, remedy))
    else:
        findings.append(Finding("kafka", True, f"at {where(bootstrap)}"))
        lacking = [row.name for row in TOPICS if row.name not in held]
        found = f"missing: {', '.join(lacking)}" if lacking else f"all {len(TOPICS)}"
        findings.append(Finding("topics", not lacking, found, "`lonja up` makes them"))
    findings += _kept_parts(config)
    if findings[1].ok:
        from infra.database import LOST  # imported here, because it loads SQLAlchemy

        told = {each.what for each in findings if not each.ok}
        try:
            market = await _market(config, url, bootstrap)
        except LOST:
            again = await _postgres(config, url)
            if again.ok:
                raise
            market = [again]
        findings += [each for each in market if each.what not in told]
    if lacking == []:
        findings.append(await _dead_letters(bootstrap))
    return findings


async def _postgres(config: Config, url: str) -> Finding:
    import asyncpg

    from infra.answering import check_database

    database = url.rpartition("@")[2]
    remedy = _how_to_start(config, "postgres")
    try:
        return Finding("postgres", True, f"{await check_database(url)} at {database}")
    except Frozen as failure:
        return Finding("postgres", False, failure.what, failure.remedy)
    except NotRunning as failure:
        return Finding("postgres", False, f"{database}: {in_words(failure.__cause__)}", remedy)
    except asyncpg.PostgresError as failure:
        return Finding("postgres", False, f"{database}: {in_words(failure)}", remedy)


def _how_to_start(config: Config, server: str) -> str:
    """The remedy if ``server``, postgres or kafka, does not answer."""
    from infra.embedded import is_owned
    from infra.supervisor import read_state

    setting, given = {
        "postgres": ("LONJA_DATABASE_URL", config.database_url),
        "kafka": ("LONJA_KAFKA_BOOTSTRAP", config.kafka_bootstrap),
    }[server]
    if given is not None:
        return f"check that this server runs and accepts Lonja's login, or set {setting} to another"
    if server in read_state(config.home) and is_owned(config.home):
        return f"wait: `lonja up` starts it again; see {config.logs_dir / f'{server}.log'}"
    return f"`make run`, and read {config.logs_dir}"


def _kept_parts(config: Config) -> Iterator[Finding]:
    """What the supervisor of this home says about its parts, and whether those that it says are running do run."""
    import psutil

    from infra.embedded import is_owned
    from infra.health import PartState
    from infra.supervisor import read_state

    for name, part in read_state(config.home).items():
        state, log = part.get("state", PartState.running), config.logs_dir / f"{name}.log"
        found = part.get("detail") or state
        remedy = f"read {log}"
        if state == PartState.running and not psutil.pid_exists(part["pid"]):
            state, found = PartState.stopped, f"process {part['pid']} has ended"
        if state in (PartState.waiting, PartState.stopped):
            again = is_owned(config.home)
            remedy = f"wait: `lonja up` starts it again; see {log}" if again else f"`make run`, and read {log}"
        yield Finding(f"supervised {name}", state == PartState.running, found, remedy)


async def _market(config: Config, url: str, bootstrap: str) -> list[Finding]:
    """The same judgement as /health/ready, with one finding for each part that is not in order."""
    import asyncpg

    from infra.operations.figures import Observer
    from infra.operations.readiness import DEAD_LETTERS, judge
    from infra.roles import NONE, Connections

    async with asyncpg.create_pool(url, min_size=1, max_size=2) as pool:
        observer = Observer(Connections(pool, NONE, {}), bootstrap)
        try:
            figures = await observer.look()
        finally:
            await observer.close()
        if figures.database:
            again = await _postgres(config, url)
            if not again.ok:
                return [again]
            return [Finding("tables", False, figures.database, "`lonja up` brings the tables up to date")]
        judgements = judge(figures)
        wrong = [
            Finding(f"{each.part} ({each.process})" if each.process else each.part, False, each.detail, each.remedy)
            for each in judgements
            if not each.ready and each.part != DEAD_LETTERS  # they are read to the end below
        ]
        waiting = sum(outbox.waiting for outbox in figures.outboxes)
        behind = sum(group.lag for group in figures.groups)
        found = (
            f"{len(judgements) - len(wrong)} in order; {waiting:,} events wait to be sent, {behind:,} to be taken in"
        )
        return [Finding("parts of the market", True, found), *wrong, await _roles(pool), await _pruning(pool, config)]


async def _roles(pool: "asyncpg.Pool") -> Finding:
    """A database in which this login may not make roles is no fault, but its operator should know."""
    from infra.roles import usable

    services = {service for (service,) in await pool.fetch("select service from operations.outboxes()")}
    without = sorted(services - await usable(pool))
    found = f"the login can do everything in the schemas of {', '.join(without)}" if without else "one for each service"
    return Finding("database roles", True, found)


async def _pruning(pool: "asyncpg.Pool", config: Config) -> Finding:
    """Published events that should have been deleted a day ago. The oldest come first in the outbox."""
    overdue = timedelta(days=config.keep.published_days + 1)
    services = await pool.fetch("select service from operations.outboxes()")
    late = [
        service
        for (service,) in services
        if await pool.fetchval(
            f"select published_at < now() - $1::interval from {service}.outbox where published_at is not null"
            " and set_aside_at is null order by position limit 1",
            overdue,
        )
    ]
    found = f"nothing older than {overdue.days} days" if not late else f"published events stay in {', '.join(late)}"
    return Finding(
        "pruning", not late, found, "check that the worker runs, and read what its timers named prune report"
    )


async def _dead_letters(bootstrap: str) -> Finding:
    from infra import deadletters
    from infra.operations.readiness import DEAD_LETTERS, LOOK_AT_LETTERS

    letters = [letter async for letter in deadletters.read(bootstrap) if not letter.settled]
    if not letters:
        return Finding(DEAD_LETTERS, True, "none that nobody looked at")
    newest = letters[-1]
    return Finding(
        DEAD_LETTERS,
        False,
        f"{len(letters)}; the newest: {newest.reader} could not handle {newest.type}: {newest.error}",
        LOOK_AT_LETTERS,
    )
