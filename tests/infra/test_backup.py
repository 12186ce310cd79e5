"""What a backup and a restore refuse. ``tests/faults/test_recovery.py`` tests that a restored market continues."""

import gzip
import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events.topics import DEAD_LETTERS
from infra import backup, deadletters
from infra.config import Config
from infra.deadletters import DISMISSED, LEFT_OUT, REPLAYED, DeadLetter, dismiss
from infra.embedded import UNFINISHED, Servers, UnfinishedRestore, check_restored
from tests.infra.test_dead_letters import a_record, unsettled


def a_config(home: Path, **more: str) -> Config:
    return Config.load({"LONJA_HOME": str(home), **more})


def lines(_: str) -> None:
    """Ignore lines of progress."""


def test_a_backup_is_never_mixed_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    with pytest.raises(backup.NotEmpty, match="empty or absent"):
        backup.save(a_config(tmp_path / "home"), tmp_path, lines)


def test_a_home_that_is_not_empty_is_never_overwritten(tmp_path: Path) -> None:
    home, directory = tmp_path / "home", tmp_path / "backup"
    (home / "postgres").mkdir(parents=True)
    directory.mkdir()
    (directory / "manifest.json").write_text('{"release":"1","begun":"2026-01-01T00:00:00Z","topics":{},"groups":{}}')
    with pytest.raises(backup.NotEmpty, match="nothing is overwritten"):
        backup.restore(a_config(home), directory, lines)
    assert [path.name for path in home.iterdir()] == ["postgres"]


def test_a_directory_without_a_manifest_is_no_backup_and_leaves_no_home(tmp_path: Path) -> None:
    with pytest.raises(backup.NoBackup, match="no complete backup"):
        backup.restore(a_config(tmp_path / "home"), tmp_path, lines)
    assert not (tmp_path / "home").exists()


def test_a_backup_with_a_changed_file_leaves_no_home_and_names_the_file(tmp_path: Path) -> None:
    home, directory = tmp_path / "home", tmp_path / "backup"
    data = directory / "postgres"
    data.mkdir(parents=True)
    (directory / "manifest.json").write_text('{"release":"1","begun":"2026-01-01T00:00:00Z","topics":{},"groups":{}}')
    (data / "PG_VERSION").write_text("18")
    listed = [{"Path": "PG_VERSION", "Checksum": sha256(b"17").hexdigest()}]
    (data / "backup_manifest").write_text(json.dumps({"Files": listed}))
    with pytest.raises(backup.BackupDamaged, match="is damaged: PG_VERSION"):
        backup.restore(a_config(home), directory, lines)
    assert not home.exists()


@pytest.mark.servers
async def test_a_backup_of_a_release_with_other_partitions_is_refused_before_a_message_is_written(
    servers: Servers, topics: None, tmp_path: Path
) -> None:
    manifest = backup.Manifest(
        release="0.1", begun=datetime(2026, 1, 1, tzinfo=UTC), topics={"lonja.pools": 99}, groups={}
    )
    with pytest.raises(backup.OtherPartitions, match=r"release 0\.1 has other partitions"):
        await backup._restore_topics(servers.kafka_bootstrap, tmp_path, manifest, lines)


@pytest.mark.parametrize(
    "server", [{"LONJA_DATABASE_URL": "postgresql://a:b@c/d"}, {"LONJA_KAFKA_BOOTSTRAP": "kafka.example:9092"}]
)
def test_a_market_on_servers_of_others_is_copied_with_their_tools(tmp_path: Path, server: dict[str, str]) -> None:
    for work in (backup.save, backup.restore):
        with pytest.raises(backup.NotEmbedded, match="offsets of the consumer groups"):
            work(a_config(tmp_path / "home", **server), tmp_path / "backup", lines)


def test_a_home_whose_restore_was_interrupted_is_not_started(tmp_path: Path) -> None:
    check_restored(tmp_path)
    (tmp_path / UNFINISHED).touch()
    with pytest.raises(UnfinishedRestore, match="lonja restore"):
        check_restored(tmp_path)


# The numbers in dead letters and notes, in a topic that has lost its beginning


def a_letter(offset: int, consumer: str, about: int, *more: tuple[str, bytes]) -> backup.StoredMessage:
    facts = {"consumer": consumer, "topic": "lonja.pools", "partition": "1", "offset": str(about)}
    headers = [(f"lonja_{name}", value.encode()) for name, value in facts.items()]
    return backup.StoredMessage(0, offset, 0, b"key", None, [*headers, *more])


def a_note(offset: int, note: str, settles: int) -> backup.StoredMessage:
    return backup.StoredMessage(0, offset, 0, b"key", b"", [(note, str(settles).encode())])


def kept(directory: Path, topic: str, *messages: backup.StoredMessage) -> None:
    with gzip.open(directory / f"{topic}.jsonl.gz", "wb") as file:
        file.writelines(msgspec.json.encode(each) + b"\n" for each in messages)


def restored(directory: Path) -> list[Any]:
    """The records of the topic of dead letters in the restored market."""
    renumbered = backup.Renumbered(directory)
    assert [each.offset for each in renumbered.messages("lonja.pools")] == [40, 41, 42, 7]
    return [a_record(number, each.headers) for number, each in enumerate(renumbered.messages(DEAD_LETTERS))]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    kept(
        tmp_path,
        "lonja.pools",
        *(backup.StoredMessage(1, offset, 0, b"key", b"{}", []) for offset in (40, 41, 42)),
        backup.StoredMessage(0, 7, 0, b"key", b"{}", []),
    )
    kept(
        tmp_path,
        DEAD_LETTERS,
        a_note(100, DISMISSED, 2),
        a_letter(101, "replayed", 41),
        a_letter(102, "left", 42, (LEFT_OUT, b"")),
        a_note(103, REPLAYED, 101),
        a_letter(104, "dismissed", 3),
        a_note(105, DISMISSED, 104),
        a_letter(106, "left too", 40),
    )
    return tmp_path


async def test_what_was_settled_stays_settled_in_the_restored_market_and_nothing_else_is(directory: Path) -> None:
    assert await unsettled(*restored(directory)) == ["left", "left too"]


async def test_a_restored_letter_names_the_place_of_its_message(directory: Path) -> None:
    letters: list[DeadLetter] = [deadletters._letter(record) for record in restored(directory)]
    assert [(each.consumer, each.partition, each.offset) for each in letters if each.consumer] == [
        ("replayed", 1, 1),
        ("left", 1, 2),
        ("dismissed", 1, -1),
        ("left too", 1, 0),
    ]


async def test_a_restored_letter_can_be_settled(directory: Path) -> None:
    class Sent:
        async def send_and_wait(self, topic: str, *, key: bytes, headers: Any) -> None:
            records.append(a_record(len(records), headers))

    records = restored(directory)
    await dismiss(Sent(), deadletters._letter(records[1]))  # type: ignore[arg-type]
    assert await unsettled(*records) == ["left too"]


def test_a_header_without_a_value_is_kept_so(tmp_path: Path) -> None:
    kept(tmp_path, "lonja.pools", odd := backup.StoredMessage(0, 0, 0, b"key", None, [("ce_id", None)]))
    assert list(backup.Renumbered(tmp_path).messages("lonja.pools")) == [odd]
