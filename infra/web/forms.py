"""Forms: every field is read, every error stands beside its field, nothing typed is lost."""

from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


def read_form(fields: Mapping[str, str], shape: type[T]) -> tuple[T | None, dict[str, str]]:
    """Read form fields into a struct: (value, {}) or (None, {field: what is wrong with it}).

    Blank means not given: the default, or "is required". Decimals take a comma too. A checkbox that is not there is False.
    """
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    hints = get_type_hints(shape, include_extras=True)
    for field in msgspec.structs.fields(shape):
        kind = hints[field.name]
        text = fields.get(field.name, "").strip()
        if not text:
            if kind is bool:
                values[field.name] = False
            elif field.required:
                errors[field.name] = "is required"
            continue
        if kind is bool:
            text = "true" if text in ("on", "yes", "1") else text
        elif "Decimal" in str(kind):
            text = text.replace(" ", "").replace("\u00a0", "").replace(",", ".")
        try:
            values[field.name] = msgspec.convert(text, kind, strict=False)
        except msgspec.ValidationError as error:
            errors[field.name] = _plain(str(error), kind)
    return (None, errors) if errors else (shape(**values), {})


def _plain(message: str, kind: Any) -> str:
    words = {
        "Decimal": "must be a number, such as 12.50",
        "date": "must be a date, such as 2027-01-31",
        "int": "must be a whole number",
    }
    for name, sentence in words.items():
        if name in str(kind) and not message.startswith("Expected `" + name + "` "):
            return sentence
    return message.replace("Expected", "expected").split(" - at `")[0]
