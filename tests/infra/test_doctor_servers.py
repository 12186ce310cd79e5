"""The advice of `lonja doctor` if a server does not answer, which depends on who runs that server."""

import asyncio
import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli import app
from infra.cli.doctor import _kept_parts
from infra.config import Config
from infra.embedded import HomeLock


@pytest.mark.parametrize("server", ["postgres", "kafka"])
async def test_a_server_that_lonja_up_starts_again_is_waited_for(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONJA_HOME", str(tmp_path))
    for name in ("LONJA_DATABASE_URL", "LONJA_KAFKA_BOOTSTRAP"):
        monkeypatch.delenv(name, raising=False)

    async def remedy() -> str:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "--json"])
        (found,) = (each for each in json.loads(result.stdout) if each["what"] == server)
        assert not found["ok"]
        return str(found["remedy"])

    kept = {name: {"pid": 1, "port": None, "state": "waiting", "detail": ""} for name in ("postgres", "kafka")}
    lock = HomeLock(tmp_path)
    assert "make run" in await remedy()  # its owner is not a supervisor, or one that has not started the server yet
    (tmp_path / "state.json").write_text(json.dumps(kept))
    assert await remedy() == f"wait: `lonja up` starts it again; see {tmp_path / 'logs' / f'{server}.log'}"
    lock.release()
    assert "make run" in await remedy()  # it was killed and could not remove its list of parts


async def test_a_server_that_others_keep_is_not_started_by_make_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONJA_HOME", str(tmp_path))
    monkeypatch.setenv("LONJA_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("LONJA_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    result = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "--json"])
    found = {each["what"]: each for each in json.loads(result.stdout)}
    assert (
        found["postgres"]["remedy"]
        == "check that this server runs and accepts Lonja's login, or set LONJA_DATABASE_URL to another"
    )
    assert (
        found["kafka"]["remedy"]
        == "check that this server runs and accepts Lonja's login, or set LONJA_KAFKA_BOOTSTRAP to another"
    )


@pytest.mark.parametrize(
    ("state", "detail", "pid", "ok", "found", "remedy"),
    [
        ("running", "", None, True, "running", ""),
        (
            "running",
            "ended with signal 9 at 10:00:00 UTC, and runs again",
            None,
            True,
            "ended with signal 9 at 10:00:00 UTC, and runs again",
            "",
        ),
        (
            "waiting",
            "ended with signal 9 at 10:00:00 UTC, and is started again in 0.2 s",
            None,
            False,
            "started again",
            "wait",
        ),
        ("waiting", "starting", None, False, "starting", "wait"),
        ("degraded", "7 failures in a row; it runs again", None, False, "7 failures", "read"),
        ("running", "", 2**22 + 1, False, "has ended", "wait"),
    ],
)
def test_a_part_is_well_while_it_runs_and_what_happened_to_it_is_said(
    state: str,
    detail: str,
    pid: int | None,
    ok: bool,
    found: str,
    remedy: str,
    tmp_path: Path,
) -> None:
    kept = {"kafka": {"pid": pid or os.getpid(), "port": None, "state": state, "detail": detail}}
    (tmp_path / "state.json").write_text(json.dumps(kept))
    config = Config.load({"LONJA_HOME": str(tmp_path)})
    lock = HomeLock(tmp_path)
    (told,) = _kept_parts(config)
    assert (told.what, told.ok) == ("supervised kafka", ok)
    assert found in told.found and (ok or told.remedy.startswith(remedy))
    lock.release()
    (told,) = _kept_parts(config)
    assert told.ok == ok
    assert "wait" not in told.remedy  # no supervisor runs that could start anything
