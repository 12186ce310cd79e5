"""Copies a running market, and makes a market from such a copy.

The copy has the database (a base backup of PostgreSQL), the topics of Kafka with the offsets of all consumer groups, the secrets and
the local mailbox. Kafka and the database are not copied at one instant; their order makes the copy consistent:

1. An instant of the database's clock is noted.
2. The offsets of the groups are noted.
3. The ends of the topics are noted, and the topics are copied up to these.
4. The database is copied.

So every event before a group's offset is in effect in the database, and of the events that the database marks as
published, the topics lack only those that were published after the noted instant. The restored market publishes these
again. An event that comes twice takes effect once, as always: consumers claim each event in their inbox.

The restored market does not know what happened after the copy.
"""

import asyncio
import gzip
import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

import infra.mended_aiokafka  # noqa: F401 - wherever aiokafka is used
from events.topics import DEAD_LETTERS
from infra.answering import check_database, check_kafka
from infra.broker import access
from infra.config import Config
from infra.deadletters import MessagePlace, named_by, naming
from infra.embedded import UNFINISHED, Servers, addresses, jars, postgres
from infra.embedded.postgres import PostgresBroken
from infra.producer import Producer
from infra.running import in_words
from infra.topics import create_topics

Say = Callable[[str], None]
CLOCK_MARGIN = timedelta(minutes=1)
"""Events are published again from this long before the noted instant, because the database's clock may have been set
back meanwhile."""
BATCH = 2000
WITHOUT_A_MARKET = {"cache", "ports.json", "secrets"}
"""Files that other commands, such as ``lonja doctor``, leave in a home in which no market ever ran."""


class NotEmpty(Exception):
    """The directory is not empty: a backup or a restored market would be mixed with its content."""

    code = "not-empty"


class NoBackup(Exception):
    """The directory holds no complete backup of this kind."""

    code = "no-backup"


class BackupDamaged(Exception):
    """Files of the backup are not as they were written."""

    code = "backup-damaged"


class OtherPartitions(Exception):
    """The topics of the backup have other numbers of partitions than those of this release."""

    code = "other-partitions"


class NotEmbedded(Exception):
    """The market runs on servers that it does not own."""

    code = "not-embedded"

    def __init__(self) -> None:
        super().__init__(
            "this market runs on servers of its own choice (LONJA_DATABASE_URL, LONJA_KAFKA_BOOTSTRAP): back them up with their own "
            "tools, the offsets of the consumer groups and the topics first and the database last"
        )


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``topics``: partitions by topic. ``groups``: group → topic → partition → the offset to be read next."""

    release: str
    begun: datetime
    """The time of the database's clock before anything was copied."""
    topics: dict[str, int]
    groups: dict[str, dict[str, dict[int, int]]]


class StoredMessage(msgspec.Struct, frozen=True, array_like=True):
    """A stored message; ``timestamp`` is in milliseconds."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def save(config: Config, directory: Path, say: Say) -> None:
    """Copy the running market of this home. Only the owner can read the copy. Raise NotEmpty, NotEmbedded, NotRunning,
    PostgresBroken."""
    _check_embedded(config)
    if directory.exists() and any(directory.iterdir()):
        raise NotEmpty(f"{directory} is not empty: name a directory that is empty or absent")
    asyncio.run(_check_running(config))
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    manifest = asyncio.run(_save_events(config, directory, say))
    say("the database")
    _copy_database(config.home, directory)
    for name in ("secrets", "mail"):
        if (config.home / name).exists():
            shutil.copytree(config.home / name, directory / name)
    # the manifest is last: a backup with a manifest is complete
    _write(directory / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))


def restore(config: Config, directory: Path, say: Say) -> None:
    """Make the home from a backup, ready for ``lonja up``. Raise NotEmpty, NoBackup,
    BackupDamaged, OtherPartitions, NotEmbedded."""
    _check_embedded(config)
    try:
        manifest = msgspec.json.decode((directory / "manifest.json").read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise NoBackup(f"{directory} holds no complete backup: it has no manifest.json") from error
    except (OSError, msgspec.DecodeError) as error:
        raise NoBackup(f"{directory} holds no complete backup: {in_words(error)}") from error
    mark = config.home / UNFINISHED
    if mark.exists():
        _empty(config.home)
    if config.home.exists() and any(path.name not in WITHOUT_A_MARKET for path in config.home.iterdir()):
        raise NotEmpty(f"{config.home} is not empty: name another home with LONJA_HOME, and nothing is overwritten")
    _check_database(directory)
    config.home.mkdir(parents=True, exist_ok=True)
    mark.touch()
    try:
        for name in ("secrets", "mail"):
            if (directory / name).exists():
                shutil.rmtree(config.home / name, ignore_errors=True)
                shutil.copytree(directory / name, config.home / name)
        say("the database")
        postgres.adopt(config.home, directory / "postgres")
        servers = Servers.start(config.home, say)
        try:
            asyncio.run(_restore_topics(servers.kafka_bootstrap, directory, manifest, say))
            asyncio.run(_publish_again(servers.database_url, manifest.begun - CLOCK_MARGIN))
        finally:
            servers.stop()
    except BaseException:
        _empty(config.home)
        raise
    mark.unlink()


def _empty(home: Path) -> None:
    for path in home.iterdir():
        if path.name != "cache":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _check_embedded(config: Config) -> None:
    if config.database_url or config.kafka_bootstrap:
        raise NotEmbedded


async def _check_running(config: Config) -> None:
    """Check that both servers of the market answer. Raise NotRunning."""
    url, bootstrap = addresses(config)
    await check_database(url)
    await check_kafka(bootstrap)


async def _save_events(config: Config, directory: Path, say: Say) -> Manifest:
    url, bootstrap = addresses(config)
    connection = await asyncpg.connect(url)
    try:
        begun = await connection.fetchval("select clock_timestamp()")
    finally:
        await connection.close()
    async with _administering(bootstrap) as admin:
        groups = await _offsets(admin)
        described = {row["topic"]: len(row["partitions"]) for row in await admin.describe_topics()}
    partitions = {topic: count for topic, count in sorted(described.items()) if not topic.startswith("__")}
    async with _reading(bootstrap) as kafka:
        ends = await kafka.end_offsets([TopicPartition(t, p) for t, count in partitions.items() for p in range(count)])
        for topic in partitions:
            count = await _save_topic(kafka, directory, topic, {p: end for p, end in ends.items() if p.topic == topic})
            say(f"{topic}: {count} messages")
    return Manifest(release=version("lonja"), begun=begun, topics=partitions, groups=groups)


async def _offsets(admin: AIOKafkaAdminClient) -> dict[str, dict[str, dict[int, int]]]:
    groups: dict[str, dict[str, dict[int, int]]] = {}
    for group, _ in await admin.list_consumer_groups():
        for partition, committed in (await admin.list_consumer_group_offsets(group)).items():
            groups.setdefault(group, {}).setdefault(partition.topic, {})[partition.partition] = committed.offset
    return groups


@asynccontextmanager
async def _administering(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**access(bootstrap))
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def _reading(bootstrap: str, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    kafka = AIOKafkaConsumer(**access(bootstrap), group_id=group, enable_auto_commit=False)
    try:
        await kafka.start()
        yield kafka
    finally:
        await kafka.stop()


async def _save_topic(kafka: AIOKafkaConsumer, directory: Path, topic: str, ends: dict[TopicPartition, int]) -> int:
    """Write the messages before these ends, in the order of each partition. Return how many."""
    starts = await kafka.beginning_offsets(list(ends))
    left = {partition for partition, end in ends.items() if starts[partition] < end}
    encoder = msgspec.json.Encoder()
    count = 0
    _write(path := _file(directory, topic), b"")
    with gzip.open(path, "wb", compresslevel=1) as file:
        kafka.assign(list(left))
        if left:
            await kafka.seek_to_beginning(*left)
        while left:
            for partition, records in (await kafka.getmany(*left, timeout_ms=1000, max_records=BATCH)).items():
                for record in records:
                    if record.offset < ends[partition]:
                        kept = StoredMessage(
                            record.partition,
                            record.offset,
                            record.timestamp,
                            record.key,
                            record.value,
                            list(record.headers),
                        )
                        file.write(encoder.encode(kept) + b"\n")
                        count += 1
            left = {partition for partition in left if await kafka.position(partition) < ends[partition]}
    return count


def _saved(directory: Path, topic: str) -> Iterator[StoredMessage]:
    decoder = msgspec.json.Decoder(StoredMessage)
    with gzip.open(_file(directory, topic), "rb") as file:
        yield from map(decoder.decode, file)


class Renumbered:
    """The messages of a backup, rewritten for empty topics, in which offsets begin at 0 again: dead letters, and the
    notes about them, name the new offsets. The topic of the dead letters must be asked for last."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._named: set[MessagePlace] = set()
        if _file(directory, DEAD_LETTERS).exists():
            self._named = {named_by(kept.headers) for kept in _saved(directory, DEAD_LETTERS)}
        self._now: dict[MessagePlace, int] = {}

    def messages(self, topic: str) -> Iterator[StoredMessage]:
        """The messages in the order of each partition, with their former offsets. A note about a letter that is not in
        the backup is left out."""
        after: Counter[int] = Counter()
        for kept in _saved(self._directory, topic):
            if topic == DEAD_LETTERS:
                headers = naming(kept.headers, self._now.get(named_by(kept.headers)))
                if headers is None:
                    continue
                kept = msgspec.structs.replace(kept, headers=headers)
            place = MessagePlace(topic, kept.partition, kept.offset)
            if place in self._named:
                self._now[place] = after[kept.partition]
            after[kept.partition] += 1
            yield kept


async def _restore_topics(bootstrap: str, directory: Path, manifest: Manifest, say: Say) -> None:
    """Write the messages in the order of each partition and set the offsets of each group to match: offsets begin at 0
    again."""
    await create_topics(bootstrap)
    async with _administering(bootstrap) as admin:
        there = {row["topic"]: len(row["partitions"]) for row in await admin.describe_topics()}
        if any(there.get(topic, count) != count for topic, count in manifest.topics.items()):
            raise OtherPartitions(
                f"release {manifest.release} has other partitions: restore with that release, then upgrade"
            )
        await admin.create_topics([NewTopic(t, count, 1) for t, count in manifest.topics.items() if t not in there])
    behind: dict[str, Counter[TopicPartition]] = {group: Counter() for group in manifest.groups}
    kafka = Producer(bootstrap)
    await kafka.start()
    try:
        renumbered = Renumbered(directory)
        for topic in sorted(manifest.topics, key=lambda name: name == DEAD_LETTERS):
            readers = [(behind[group], topics[topic]) for group, topics in manifest.groups.items() if topic in topics]
            sent: list[Awaitable[object]] = []
            count = 0
            for count, kept in enumerate(renumbered.messages(topic), start=1):  # noqa: B007 - counts what there is
                for offsets, committed in readers:
                    offsets[TopicPartition(topic, kept.partition)] += kept.offset < committed.get(kept.partition, 0)
                message = {"value": kept.value, "key": kept.key, "headers": kept.headers}
                place = {"partition": kept.partition, "timestamp_ms": kept.timestamp}
                sent.append(await kafka.working.send(topic, **message, **place))
                if len(sent) == BATCH:
                    await asyncio.gather(*sent)
                    sent.clear()
            await asyncio.gather(*sent)
            say(f"{topic}: {count} messages")
    finally:
        await kafka.stop()
    for group, offsets in behind.items():
        if offsets:
            async with _reading(bootstrap, group) as reader:
                reader.assign(list(offsets))
                await reader.commit(dict(offsets))


async def _publish_again(url: str, since: datetime) -> None:
    """Let the relays send again what was published while the topics were copied, and keep the claims of consumers that
    had it.

    The rows about the processes of the original market are deleted.
    """
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("select schemaname from pg_tables where tablename = 'outbox'")
        for (schema,) in tables:
            await connection.execute(
                f"update {schema}.outbox set published_at = null where published_at >= $1 and set_aside_at is null",
                since,
            )
            # claims are forgotten when they are old; these must outlive the repeats
            await connection.execute(f"update {schema}.inbox set handled_at = now() where handled_at >= $1", since)
        await connection.execute("delete from operations.processes")
    finally:
        await connection.close()


def _copy_database(home: Path, directory: Path) -> None:
    admin = urlsplit(postgres.admin_url(home))
    assert admin.password is not None
    _run(
        postgres.binary("pg_basebackup"),
        *(f"--host={admin.hostname}", f"--port={admin.port}", f"--username={admin.username}", "--no-password"),
        *(f"--pgdata={directory / 'postgres'}", "--wal-method=stream", "--checkpoint=fast"),
        "--manifest-checksums=SHA256",
        password=admin.password,
    )


def _check_database(directory: Path) -> None:
    """Compare the files with the list that PostgreSQL wrote. Its own pg_verifybackup crashes in the wheel that we
    use."""
    data = directory / "postgres"
    try:
        files = json.loads((data / "backup_manifest").read_text())["Files"]
        damaged = [file["Path"] for file in files if jars.sha256(data / file["Path"]) != file["Checksum"]]
    except OSError as error:
        raise NoBackup(f"{data} is not whole: {in_words(error)}") from error
    if damaged:
        raise BackupDamaged(f"{data} is damaged: {', '.join(damaged[:5])}")


def _run(program: Path, *arguments: str, password: str) -> None:
    """Run it, with the password in the environment, because every user of the machine can read a command line."""
    environment = {**os.environ, "PGPASSWORD": password}
    done = subprocess.run((str(program), *arguments), capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise PostgresBroken(f"{program.name} failed with {done.returncode}:\n{done.stderr}")


def _file(directory: Path, topic: str) -> Path:
    return directory / f"{topic}.jsonl.gz"


def _write(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
