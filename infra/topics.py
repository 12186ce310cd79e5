"""Makes the topics of the table, at each start. It is separate from the runtime because `lonja up` needs no service for
it."""

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from events.topics import DAY_MS, LARGEST_MESSAGE, TOPICS, Topic
from infra import rights
from infra.broker import access, parsed
from infra.embedded import kafka


async def create_topics(bootstrap: str) -> None:
    """Create the topics, and the rights on them if the broker belongs to this home; on an external broker its operator
    grants them."""
    admin = AIOKafkaAdminClient(**access(bootstrap))
    try:
        await admin.start()
        there = set(await admin.list_topics())
        wanted = [
            NewTopic(row.name, row.partitions, 1, topic_configs=_settings(row))
            for row in TOPICS
            if row.name not in there
        ]
        if wanted:
            await admin.create_topics(wanted)
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, row.name, _settings(row)) for row in TOPICS]
        )
        if parsed(bootstrap).user == kafka.OWNER:
            await rights.grant(admin)
    finally:
        await admin.close()


def _settings(row: Topic) -> dict[str, str]:
    """The settings of a topic. If its messages expire, whole segments are deleted, each with the messages of one
    day."""
    ends = {"segment.ms": str(DAY_MS)} if row.retention_ms > 0 else {}
    return {"retention.ms": str(row.retention_ms), "max.message.bytes": str(LARGEST_MESSAGE), **ends}
