"""What a backup and a restore refuse. That a restored market goes on is shown in ``tests/faults/test_recovery.py``."""

from pathlib import Path

import pytest

from infra import backup
from infra.config import Config
from infra.embedded import UNFINISHED, UnfinishedRestore, check_restored


def a_config(home: Path, **more: str) -> Config:
    return Config.load({"LONJA_HOME": str(home), **more})


def lines(_: str) -> None:
    """Progress that nobody reads."""


def test_a_backup_is_never_mixed_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    with pytest.raises(backup.NotEmpty, match="empty or absent"):
        backup.save(a_config(tmp_path / "home"), tmp_path, lines)


def test_a_home_that_is_not_empty_is_never_overwritten(tmp_path: Path) -> None:
    home, directory = tmp_path / "home", tmp_path / "backup"
    home.mkdir()
    (home / "ports.json").touch()
    directory.mkdir()
    (directory / "manifest.json").write_text('{"release":"1","begun":"2026-01-01T00:00:00Z","topics":{},"groups":{}}')
    with pytest.raises(backup.NotEmpty, match="nothing is overwritten"):
        backup.restore(a_config(home), directory, lines)
    assert [path.name for path in home.iterdir()] == ["ports.json"]


def test_a_directory_without_a_manifest_is_no_backup_and_leaves_no_home(tmp_path: Path) -> None:
    with pytest.raises(backup.NoBackup, match="no complete backup"):
        backup.restore(a_config(tmp_path / "home"), tmp_path, lines)
    assert not (tmp_path / "home").exists()


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
