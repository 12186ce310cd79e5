"""The errors by which Kafka refuses an outbox row for good, and the reasons in words that say what to correct."""

import msgspec
from aiokafka.errors import InvalidTopicError, MessageSizeTooLargeError, RecordListTooLargeError

from events.topics import LARGEST_MESSAGE
from infra.away import in_short


class LargerThanWeSend(MessageSizeTooLargeError):  # type: ignore[misc]
    """The event is larger than the producer may send."""


class NoSuchTopic(InvalidTopicError):  # type: ignore[misc]
    """The broker answers but does not have the topic."""


REFUSED = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTopicError, msgspec.DecodeError)
"""Errors after which a record is not sent again: the broker will never accept it, or its envelope cannot be read."""


def in_words(error: BaseException, topic: str, size: int) -> str:
    """``error`` is one of REFUSED; ``size`` is that of the event's data in bytes."""
    match error:
        case LargerThanWeSend():
            return (
                f"with {size:,} bytes it is larger than any message may be ({LARGEST_MESSAGE:,} bytes with its headers)"
            )
        case MessageSizeTooLargeError() | RecordListTooLargeError():
            return (
                f"with {size:,} bytes it is larger than Kafka takes in {topic}: raise max.message.bytes of the topic"
                f" (`lonja migrate` sets it to {LARGEST_MESSAGE:,})"
            )
        case NoSuchTopic():
            return f"Kafka has no topic {topic}: `lonja migrate` makes the topics of this release"
        case msgspec.DecodeError():
            return f"its envelope cannot be read, and `lonja psql` could correct that column ({in_short(error)})"
    return f"Kafka refuses it in {topic} ({in_short(error)})"
