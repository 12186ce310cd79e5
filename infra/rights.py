"""What each kind of process may do in Kafka. Without one of these logins nobody can read or write.

A worker writes for all services that it runs, so it may write every topic of facts; which service writes which topic is
ensured by their code and its tests (events/topics.py). The web process writes nothing; the views write only dead
letters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from events.topics import DEAD_LETTERS

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient

KINDS = ("web", "worker", "streams")
TOPIC, GROUP, CLUSTER = 2, 3, 4
LITERAL, PREFIX = 3, 4
READ, WRITE, DESCRIBE = 3, 4, 8
ALLOW = 3
"""Numbers of Kafka's protocol (org.apache.kafka.common.acl and .resource)."""
OURS = "lonja."
"""All our topics and groups begin with this."""


class Right(NamedTuple):
    """``pattern`` says whether ``name`` is the whole name or its beginning."""

    user: str
    resource: int
    name: str
    pattern: int
    operation: int


RIGHTS = (
    *(Right(user, TOPIC, OURS, PREFIX, DESCRIBE) for user in KINDS),
    *(Right(user, GROUP, OURS, PREFIX, DESCRIBE) for user in KINDS),
    *(Right(user, CLUSTER, "kafka-cluster", LITERAL, DESCRIBE) for user in KINDS),
    Right("web", TOPIC, DEAD_LETTERS, LITERAL, READ),
    Right("worker", TOPIC, OURS, PREFIX, READ),
    Right("worker", TOPIC, OURS, PREFIX, WRITE),
    Right("worker", GROUP, OURS, PREFIX, READ),
    Right("streams", TOPIC, OURS, PREFIX, READ),
    Right("streams", TOPIC, DEAD_LETTERS, LITERAL, WRITE),
    Right("streams", GROUP, "lonja.views", PREFIX, READ),
)


async def grant(admin: AIOKafkaAdminClient) -> None:
    """Grant the rights. A repeat changes nothing. Raise KafkaError, also if the broker has no access control."""
    from aiokafka.errors import for_code  # imported here, because commands import this module and few of them use Kafka
    from aiokafka.protocol.admin import CreateAclsRequest

    for right in RIGHTS:
        request = CreateAclsRequest(
            resource_type=right.resource,
            resource_name=right.name,
            resource_pattern_type_filter=right.pattern,
            principal=f"User:{right.user}",
            host="*",
            operation=right.operation,
            permission_type=ALLOW,
        )
        answer = await admin._send_request(request)  # aiokafka has the message but no method for it
        for code, message in answer.creation_responses:
            if code:
                raise for_code(code)(f"{right}: {message}")
