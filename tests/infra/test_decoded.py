"""The cache of decoded rows."""

import pytest

from infra import decoded
from infra.decoded import Decoded


def test_what_was_read_is_held_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded, "HELD", 10)
    held: Decoded[str] = Decoded("pool", "pools.pools", "pool_id", "stage", lambda state, row: state)
    held.hold("a", "1", 6, "kept")
    held.hold("b", "1", 4, "kept")
    assert held.held("a", "1") and held.held("a", "2") is None
    held.hold("c", "1", 4, "kept")
    assert [held.stamp(each) for each in "abc"] == ["1", None, "1"]
    held.hold("c", "2", 40, "kept")
    assert [held.stamp(each) for each in "abc"] == [None, None, "2"]
