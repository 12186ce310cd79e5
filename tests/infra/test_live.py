"""Announcements reach watchers; a watcher without announcements gets a sign of life."""

from infra.live import BEAT, Live


async def test_a_watcher_of_an_idle_channel_gets_a_sign_of_life() -> None:
    live = Live("postgresql://nobody")
    watching = live.watch("page", beat=0.01)
    assert [await anext(watching) for _ in range(3)] == [None, BEAT, BEAT]
    live.end()
    assert [each async for each in watching] == []
