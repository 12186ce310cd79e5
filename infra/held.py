"""Blocked partitions and stopped consumers: at which offset, why, and what a person does about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiokafka.structs import TopicPartition

from infra.given_up import UnreadableRecord

NEWER_RELEASE = "run the newer release, which can read this version; the partition then continues at that record"


@dataclass(frozen=True)
class HeldPartition:
    """A partition is blocked at this offset; no event from it on was handled. ``why`` is the reason ("" if it has none of its own), and
    ``remedy`` what a person does. With ``again`` nobody has to act: the partition is read again after that many seconds."""

    partition: TopicPartition
    offset: int
    why: str = ""
    again: float | None = None
    remedy: str = NEWER_RELEASE
    unreadable: UnreadableRecord | None = None
    """The record that blocks it, if that is in a version of a newer release."""


def remedies(held: Iterable[HeldPartition]) -> str:
    return "; ".join(sorted({each.remedy for each in held}))


class ConsumerStopped(RuntimeError):
    """Too many events in a row failed; a person must look before more become dead letters. ``undone`` names the partitions with records
    of the batch that were not handled, each with the first such offset; all records of the other partitions were handled."""

    def __init__(self, message: str, undone: Sequence[HeldPartition]) -> None:
        super().__init__(message)
        self.undone = undone
