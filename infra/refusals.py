"""What Kafka will never take of an outbox, and the reason in words that say what to mend."""

import msgspec
from aiokafka.errors import InvalidTopicError, MessageSizeTooLargeError, RecordListTooLargeError

from events.topics import LARGEST_MESSAGE
from infra.away import in_short


class LargerThanWeSend(MessageSizeTooLargeError):  # type: ignore[misc]
    """The producer itself does not send it."""


class NoSuchTopic(InvalidTopicError):  # type: ignore[misc]
    """The broker answers, and does not have the topic."""


REFUSED = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTopicError, msgspec.DecodeError)
"""The broker will never take this record, or it is none: its envelope cannot be read."""


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
            return f"its envelope cannot be read, and `lonja psql` could mend that column ({in_short(error)})"
    return f"Kafka refuses it in {topic} ({in_short(error)})"
