"""A refusal is a fact: the rule that was broken, as the value that events carry."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from catalogue.rules import RuleBroken
from events.values import Number, Refusal

_DIGITS = 30


def refusal(broken: RuleBroken) -> Refusal:
    numbers = tuple(Number(name=name, value=_text(value)) for name, value in broken.numbers.items())
    return Refusal(rule=broken.code, message=broken.message, field=broken.field or "", numbers=numbers)


def _text(value: object) -> str:
    if isinstance(value, Decimal):  # an absurd exponent stays an exponent: it would be megabytes of zeros
        return f"{value:f}" if abs(value.adjusted()) < _DIGITS else str(value)
    return value.isoformat() if isinstance(value, datetime) else str(value)
