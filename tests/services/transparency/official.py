"""The official OCDS 1.1.5 schemas, patched with the extensions that we declare, as validators."""

import io
import json
import zipfile
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT4

EXTENSIONS = ("bid", "location", "lots", "techniques")
RELEASE = "https://standard.open-contracting.org/schema/1__1__5/release-schema.json"
VERSIONED = "https://standard.open-contracting.org/schema/1__1__5/versioned-release-validation-schema.json"


@cache
def validators(data: Path) -> tuple[Draft4Validator, Draft4Validator, Draft4Validator]:
    """The validators of a release, a release package and a record package."""
    folder = data / "ocds_schema"
    release = _read(folder / "standard-1__1__5.zip", "standard-1__1__5/schema/release-schema.json")
    for name in EXTENSIONS:
        release = _patched(release, _read(folder / f"ext_{name}.zip", f"{name}/release-schema.json"))
    packages = [
        _read(folder / "standard-1__1__5.zip", f"standard-1__1__5/schema/{name}-package-schema.json")
        for name in ("release", "record")
    ]
    registry: Registry[Any] = Registry().with_resources(
        [(RELEASE, DRAFT4.create_resource(release)), (VERSIONED, DRAFT4.create_resource({}))]
    )
    release, package, record = (
        Draft4Validator(schema, registry=registry, format_checker=FORMATS) for schema in (release, *packages)
    )
    return release, package, record


FORMATS = FormatChecker()


@FORMATS.checks("date-time", raises=ValueError)
def _is_an_instant(value: object) -> bool:
    """Whether it is an instant with a zone, as RFC 3339 requires."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def faults(validator: Draft4Validator, value: Any) -> list[str]:
    return [
        f"{'/'.join(map(str, fault.absolute_path))}: {fault.message[:200]}" for fault in validator.iter_errors(value)
    ]


def _read(archive: Path, name: str) -> Any:
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as files:
        return json.loads(files.read(name))


def _patched(old: Any, new: Any) -> Any:
    """JSON Merge Patch (RFC 7396), as the standard says extensions apply."""
    if not isinstance(new, dict):
        return new
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _patched(result.get(key), value)
    return result
