"""The contract for other languages: JSON Schema of every event, one AsyncAPI 3 document, and a first golden example of
each new event.

``python -m events`` writes them into ``schemas/`` and ``examples/``; a test compares the files in the repository with
what this module generates. An example that exists is never written again, because it shows what was once on the wire.
"""

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from events.codec import Event, registry
from events.envelope import CONTENT_TYPE
from events.topics import SERVICES, TOPICS, topic

FOLDER = Path(__file__).parent
ATTRIBUTES = {
    "ce_specversion": {"type": "string", "const": "1.0"},
    "ce_id": {"type": "string"},
    "ce_type": {"type": "string"},
    "ce_source": {"type": "string", "format": "uri-reference"},
    "ce_subject": {"type": "string"},
    "ce_time": {"type": "string", "format": "date-time"},
    "ce_correlationid": {"type": "string"},
    "ce_causationid": {"type": "string"},
    "ce_traceparent": {"type": "string"},
    "content-type": {"type": "string", "const": CONTENT_TYPE},
}
EXTENSIONS = {"ce_correlationid", "ce_causationid", "ce_traceparent"}
"""Extension attributes of Lonja, which messages of other producers may lack."""


def documents() -> dict[Path, str]:
    """Every generated file with its text."""
    files = {FOLDER / "schemas" / f"{name}.json": _text(schema(event)) for name, event in sorted(registry().items())}
    files[FOLDER / "schemas" / "asyncapi.json"] = _text(asyncapi())
    return files


def missing_examples() -> dict[Path, str]:
    """First golden examples of events that have none yet."""
    found: dict[Path, str] = {}
    for name, event in sorted(registry().items()):
        path = FOLDER / "examples" / f"{name}.json"
        if not path.exists():
            found[path] = _text(example(event))
    return found


def schema(event: type[Event]) -> dict[str, Any]:
    """JSON Schema 2020-12 of an event's data."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": event.TYPE} | msgspec.json.schema(event)


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3.0: channels are topics, each service sends to and receives from those that :mod:`events.topics` gives
    it."""
    events = sorted(registry().values(), key=lambda event: event.TYPE)
    by_topic = {row.name: [event for event in events if event.TOPIC == row.name] for row in TOPICS}
    channels = {
        row.name: {
            "address": row.name,
            "description": f"Ordered by {row.key}.",
            "messages": {event.TYPE: _ref(f"components/messages/{event.TYPE}") for event in by_topic[row.name]},
            "bindings": {"kafka": {"topic": row.name, "partitions": row.partitions}},
        }
        for row in TOPICS
    }
    operations: dict[str, Any] = {}
    for row in TOPICS:
        for action, services in (("send", row.producers), ("receive", row.consumers)):
            for service in services:
                if service in SERVICES or service == "portal":
                    operations[f"{service}.{action}.{row.name}"] = {
                        "action": action,
                        "channel": _ref(f"channels/{row.name}"),
                    }
    messages = {
        event.TYPE: {
            "name": event.TYPE,
            "contentType": CONTENT_TYPE,
            "summary": (event.__doc__ or "").strip().split("\n")[0],
            "headers": {
                "type": "object",
                "properties": ATTRIBUTES,
                "required": [name for name in ATTRIBUTES if name not in EXTENSIONS],
            },
            "payload": {
                "schemaFormat": "application/schema+json;version=draft-2020-12",
                "schema": {"$ref": f"./{event.TYPE}.json"},
            },
        }
        for event in events
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Lonja events", "version": "1.0.0", "description": "CloudEvents 1.0 in Kafka binary mode."},
        "defaultContentType": CONTENT_TYPE,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def example(event: type[Event]) -> dict[str, Any]:
    """Headers and data of a made-up message in which every field has a value."""
    data = {field.name: sample(field.name, field.type) for field in _fields(event)}
    return {
        "headers": {
            "ce_specversion": "1.0",
            "ce_id": "0192f0c4-1f7a-7c1e-9d4b-3a5b8c7d9e10",
            "ce_type": event.TYPE,
            "ce_source": f"/{topic(event.TOPIC).producers[0]}",
            "ce_subject": str(data[event.KEY]),
            "ce_time": "2026-11-22T09:30:00Z",
            "ce_correlationid": "0192f0c4-1f7a-7c1e-9d4b-3a5b8c7d9e01",
            "ce_causationid": "0192f0c4-1f7a-7c1e-9d4b-3a5b8c7d9e02",
            "content-type": CONTENT_TYPE,
        },
        "data": data,
    }


def _fields(struct: type[msgspec.Struct]) -> tuple[inspect.Field, ...]:
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return info.fields


def sample(name: str, kind: inspect.Type) -> Any:
    """A JSON value of this kind for a member of this name."""
    match kind:
        case inspect.Metadata():
            return sample(name, kind.type)
        case inspect.StructType():
            return {field.name: sample(field.name, field.type) for field in _fields(kind.cls)}
        case inspect.UnionType():
            return sample(name, next(each for each in kind.types if not isinstance(each, inspect.NoneType)))
        case inspect.VarTupleType():
            return [sample(name, kind.item_type)]
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return 3
        case inspect.FloatType():
            return 55.75
        case inspect.DecimalType():
            return str(Decimal("1250.40"))
        case inspect.DateTimeType():
            return datetime(2026, 11, 22, 9, 30).isoformat() + "Z"
        case inspect.DateType():
            return date(2026, 11, 22).isoformat()
        case inspect.StrType():
            return _WORDS.get(name, f"{name.replace('_', ' ')} of the example")
    raise TypeError(f"no sample for {name}: {kind}")


_WORDS = {
    "currency": "RUB",
    "country": "RU",
    "region": "RU-MOW",
    "regions": "RU-MOW",
    "locality": "Moscow",
    "language": "ru",
    "time_zone": "Europe/Moscow",
    "unit": "C62",
    "base_unit": "C62",
    "scheme": "CPV",
    "code": "30197630-1",
    "kind": "goods",
    "policy": "moscow",
    "email": "officer@agency.example",
}


def _ref(path: str) -> dict[str, str]:
    return {"$ref": f"#/{path}"}


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
