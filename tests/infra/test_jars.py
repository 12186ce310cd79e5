from dataclasses import replace
from pathlib import Path

import pytest

from infra.embedded import jars
from infra.embedded.jars import WrongChecksum, fetch, pinned


def lines(_: str) -> None:
    """Ignore the report."""


def test_a_jar_in_the_cache_with_another_content_is_refused_and_removed(tmp_path: Path) -> None:
    jar = pinned()[0]
    cached = tmp_path / "jars" / jar.file_name
    cached.parent.mkdir()
    cached.write_bytes(b"something else")
    with pytest.raises(WrongChecksum, match=jar.sha256):
        fetch(tmp_path, lines, (jar,))
    assert not cached.exists()


def test_a_fetched_jar_with_another_content_never_reaches_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = tmp_path / "fetched.jar"
    fetched.write_bytes(b"from a source that lies")
    monkeypatch.setattr(jars, "_download", lambda artifact: fetched)
    with pytest.raises(WrongChecksum):
        fetch(tmp_path, lines, (pinned()[0],))
    assert list((tmp_path / "jars").iterdir()) == []


def test_a_jar_with_the_pinned_content_is_kept_and_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = tmp_path / "fetched.jar"
    fetched.write_bytes(b"as pinned")
    jar = replace(pinned()[0], sha256=jars.sha256(fetched))
    said: list[str] = []
    monkeypatch.setattr(jars, "_download", lambda artifact: fetched)
    assert fetch(tmp_path, said.append, (jar,)) == fetch(tmp_path, said.append, (jar,))
    assert said == [f"fetching jar 1 of 1: {jar.file_name}"]


def test_the_list_names_no_registry() -> None:
    assert "://" not in jars.LIST.read_text()
