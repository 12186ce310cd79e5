"""Ids: new ones follow one another in time, derived ones are the same again."""

import time
import uuid

from infra.ids import derive_id, new_id


def test_a_new_id_is_a_uuid_of_version_7_with_the_time_in_front() -> None:
    before = time.time_ns() // 1_000_000
    ids = [uuid.UUID(new_id()) for _ in range(200)]
    after = time.time_ns() // 1_000_000
    assert {(each.version, each.variant) for each in ids} == {(7, uuid.RFC_4122)}
    assert all(before <= each.int >> 80 <= after for each in ids)
    assert len(set(ids)) == 200


def test_the_same_parts_give_the_same_id_and_no_others_do() -> None:
    assert derive_id("auction", "1") == derive_id("auction", "1")
    assert derive_id("auction", "1") != derive_id("auction1", "") != derive_id("", "auction1")
