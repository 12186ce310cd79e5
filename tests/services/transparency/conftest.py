"""Files to read: files that a test writes, and the folder of real ones."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from services.transparency.ocds.tolerance import NotUnderstood


@pytest.fixture(scope="session")
def data() -> Path:
    folder = Path(os.environ.get("LONJA_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.fail(f"This test reads real procurement data: put it in {folder}, or name its folder by LONJA_DATA.")
    return folder


@pytest.fixture
def ledger() -> NotUnderstood:
    return NotUnderstood()


@pytest.fixture(scope="session")
def publish(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write bytes, text, or documents (one per line) to a file; it replaces an earlier file of that name."""
    folder = tmp_path_factory.mktemp("published")

    def write(content: bytes | str | Iterable[Any], name: str = "file.jsonl") -> Path:
        path = folder / name
        if isinstance(content, str):
            content = content.encode()
        elif not isinstance(content, bytes):
            content = "\n".join(json.dumps(one) for one in content).encode()
        path.write_bytes(content)
        return path

    return write
