"""`lonja topics`: the table of topics, with what the broker has."""

import asyncio

from infra.broker import access
from infra.cli.output import AsJson, print_json, print_table
from infra.config import Config


def topics(as_json: AsJson = False) -> None:
    """List the topics: who writes, who reads, partitions, and how many messages the broker holds."""
    from msgspec.structs import asdict

    from events.topics import TOPICS
    from infra.embedded import addresses

    held = asyncio.run(message_counts(addresses(Config.running())[1]))
    if as_json:
        print_json([{**asdict(row), "messages": held.get(row.name)} for row in TOPICS])
        return
    print_table(
        ("topic", "messages", "partitions", "key", "producers", "consumers"),
        (
            (
                row.name,
                held.get(row.name, "missing"),
                row.partitions,
                row.key,
                ", ".join(row.producers),
                ", ".join(row.consumers),
            )
            for row in TOPICS
        ),
    )


async def message_counts(bootstrap: str) -> dict[str, int]:
    """Topic name → number of messages, for every topic of the broker. Raise NotRunning, also if the broker is
    frozen."""
    from aiokafka import AIOKafkaConsumer, TopicPartition
    from aiokafka.admin import AIOKafkaAdminClient

    from infra.answering import check_kafka

    await check_kafka(bootstrap)
    admin = AIOKafkaAdminClient(**access(bootstrap))
    try:
        await admin.start()
        described = await admin.describe_topics()
    finally:
        await admin.close()
    partitions = [TopicPartition(row["topic"], p["partition"]) for row in described for p in row["partitions"]]
    if not partitions:
        return {}
    async with AIOKafkaConsumer(**access(bootstrap)) as consumer:
        first = await consumer.beginning_offsets(partitions)
        end = await consumer.end_offsets(partitions)
    counts = {row["topic"]: 0 for row in described}
    for partition in partitions:
        counts[partition.topic] += end[partition] - first[partition]
    return counts
