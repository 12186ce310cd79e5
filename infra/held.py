"""Where a partition stands still, or a consumer, why, and what a person does about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiokafka.structs import TopicPartition

from infra.given_up import Unreadable

NEWER_RELEASE = "run the newer release, which can read this version; the partition then goes on where it waits"


@dataclass(frozen=True)
class Held:
    """A partition stands before this offset: nothing from there on is in effect. ``why`` it must wait there, if it must, and the
    ``remedy``. With ``again`` it goes on by itself: it is to be read again after so many seconds."""

    partition: TopicPartition
    offset: int
    why: str = ""
    again: float | None = None
    remedy: str = NEWER_RELEASE
    unreadable: Unreadable | None = None
    """What it waits before where that is a version of a newer release."""


def remedies(held: Iterable[Held]) -> str:
    return "; ".join(sorted({each.remedy for each in held}))


class ConsumerStopped(RuntimeError):
    """Too many events in a row failed; somebody must look before more are set aside. ``undone`` is where the partitions of the
    batch stand; those that are not named are done with it."""

    def __init__(self, message: str, undone: Sequence[Held]) -> None:
        super().__init__(message)
        self.undone = undone
