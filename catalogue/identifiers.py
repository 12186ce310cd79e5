"""The identifier of an organisation in a register: the code of the register (org-id.guide, such as RU-INN) and a number
in it."""

from __future__ import annotations

import re

from catalogue.rules import RuleBroken, Typed

_REGISTER = re.compile(r"[A-Z]{2}-[A-Z0-9_-]+")


class MalformedIdentifier(RuleBroken):
    code = "malformed-identifier"


class UnknownRegister(RuleBroken):
    """The text does not have the form of a register code."""

    code = "unknown-register"


def is_register(text: str) -> bool:
    """Whether the text has the form of a register code."""
    return _REGISTER.fullmatch(text) is not None


def is_number(text: str) -> bool:
    """Whether a plain number has a letter or a digit."""
    return re.search(r"\w", text) is not None


def plain_number(text: str) -> str:
    """The number in capitals and without dots and spaces, so that two spellings give one number. "" if it has only
    zeros and dashes."""
    plain = re.sub(r"[\s.]", "", text).upper()
    return plain if plain.strip("0-") else ""


def read_identifier(register: str, number: str) -> tuple[str, str]:
    """(register, number) as entered for an organisation; both may be blank. Raise MalformedIdentifier,
    UnknownRegister."""
    register, plain = register.strip().upper(), plain_number(number)
    if number.strip() and not is_number(plain):
        raise MalformedIdentifier(f"{number!r} is not a number of an organisation.", field="identifier", given=number)
    if register and not is_register(register):
        raise UnknownRegister(
            f"{register!r} is not the code of a register, such as RU-INN, AR-CUIT or BR-CNPJ.",
            field="identifier_scheme",
            register=Typed(register),
        )
    return register, plain
