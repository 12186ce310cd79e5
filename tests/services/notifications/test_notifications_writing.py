"""Many letters in a row are written by another process, with the same bytes; if it dies, none is lost."""

import asyncio
from multiprocessing import active_children

import pytest

from services.notifications.letters import CombinedLetter, mime
from services.notifications.writing import FEW, Writer
from tests.services.notifications.test_notifications_domain import LINKS, NOW, a_digest, a_duty_letter

WHERE = ("lonja@market.example", "https://market.example")

pytestmark = pytest.mark.servers


async def test_many_in_a_row_are_written_beside_and_a_pause_ends_it() -> None:
    writer, before = Writer(LINKS, *WHERE), set(active_children())
    one = a_duty_letter("deliver", "es")
    letters = [a_digest(), one, CombinedLetter.of(one, "l1", 1, NOW)]
    here = [mime(each, LINKS, *WHERE) for each in letters]
    for _ in range(FEW):
        assert await writer.write(one) == here[1]
    assert set(active_children()) == before
    assert [await writer.write(each) for each in letters] == here
    [child] = set(active_children()) - before
    child.kill()
    child.join()
    assert [await writer.write(each) for each in letters] == here
    for _ in range(FEW):
        await writer.write(one)
    [again] = set(active_children()) - before
    writer.pause()
    while again in active_children():
        await asyncio.sleep(0.01)
    assert await writer.write(one) == here[1]
