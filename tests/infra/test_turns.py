"""However requests come, end and are cancelled, only a limited number per caller is handled at once, in order, and
nothing is left afterwards."""

import asyncio
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from infra.web.turns import CallerTurns


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=40), st.integers(1, 3))
def test_turns_are_kept_in_order_and_given_back(asked: list[tuple[str, bool]], at_once: int) -> None:
    async def played() -> tuple[list[int], CallerTurns]:
        turns, at_work, begun = CallerTurns(at_once), {"a": 0, "b": 0}, list[int]()

        async def request(number: int, caller: str) -> None:
            await turns.take(caller)
            at_work[caller] += 1
            try:
                assert at_work[caller] <= at_once
                begun.append(number)
                await asyncio.sleep(0)
            finally:
                at_work[caller] -= 1
                turns.give_back(caller)

        tasks = [asyncio.create_task(request(number, caller)) for number, (caller, _) in enumerate(asked)]
        await asyncio.sleep(0)
        for task, (_, given_up) in zip(tasks, asked, strict=True):
            if given_up and turns.callers and not task.done():
                task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        return begun, turns

    begun, turns = asyncio.run(played())
    for caller in "ab":
        mine = [number for number in begun if asked[number][0] == caller]
        assert mine == sorted(mine)
        assert {number for number, each in enumerate(asked) if each == (caller, False)} <= set(mine)
    assert turns.callers == 0


async def test_another_caller_waits_for_nobody() -> None:
    turns = CallerTurns(1)
    await turns.take("a")
    behind = asyncio.create_task(turns.take("a"))
    async with asyncio.timeout(5):
        await turns.take("b")
    assert not behind.done()
    turns.give_back("a")
    await behind


async def test_a_turn_that_came_to_who_was_just_given_up_goes_on_to_the_next() -> None:
    turns = CallerTurns(1)
    await turns.take("a")
    given_up, next_one = asyncio.create_task(turns.take("a")), asyncio.create_task(turns.take("a"))
    await asyncio.sleep(0)
    turns.give_back("a")
    given_up.cancel()
    async with asyncio.timeout(5):
        await next_one
