"""Kafka starts with an archive of its classes, and without it if it cannot be used."""

import asyncio
import shutil
from pathlib import Path

import pytest

from infra.config import Config
from infra.embedded import archive, jars, kafka
from infra.embedded.process import Child, tail

pytestmark = pytest.mark.servers


@pytest.fixture
def class_path(tmp_path: Path) -> str:
    """The jars, in a cache without an archive."""
    there = jars.fetch(Config.load().cache, print)
    (tmp_path / "jars").mkdir()
    for path in there.values():
        shutil.copy2(path, tmp_path / "jars")
    return jars.class_path({jar: tmp_path / "jars" / path.name for jar, path in there.items()})


def test_the_archive_is_made_once_and_a_broken_one_stops_nothing(class_path: str, tmp_path: Path) -> None:
    said: list[str] = []
    assert not archive.is_usable(class_path)
    archive.make(class_path, said.append)
    assert archive.is_usable(class_path)
    archive.make(class_path, said.append)
    assert said == ["starting Kafka once, so that its later starts are quicker"]

    home, kept = tmp_path / "home", kafka.archive(class_path)
    kept.write_bytes(kept.read_bytes()[:100_000])
    assert not archive.is_usable(class_path)
    kafka.prepare(home, class_path)
    server = Child(kafka.part(home, class_path), home)
    assert f"-XX:AOTCache={kept}" in server.part.command
    server.start()
    try:
        asyncio.run(server.wait_ready())
    finally:
        server.stop()
    assert "aot" in tail(server.log, 200)
