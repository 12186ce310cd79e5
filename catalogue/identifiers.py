"""What an organisation is called in a register: a code of the register (org-id.guide, such as RU-INN) and a number in it."""

from __future__ import annotations

import re

from catalogue.rules import RuleBroken

_REGISTER = re.compile(r"[A-Z]{2}-[A-Z0-9_-]+")


class MalformedIdentifier(RuleBroken):
    code = "malformed-identifier"


class UnknownRegister(RuleBroken):
    """Not written as a code of a register."""

    code = "unknown-register"


def is_register(text: str) -> bool:
    """Whether it is written as a code of a register."""
    return _REGISTER.fullmatch(text) is not None


def is_number(text: str) -> bool:
    """Whether a plain number has a letter or a digit."""
    return re.search(r"\w", text) is not None


def plain_number(text: str) -> str:
    """In capitals, without the dots and spaces that people put into it: two spellings are one number. "" for zeros and dashes alone."""
    plain = re.sub(r"[\s.]", "", text).upper()
    return plain if plain.strip("0-") else ""


def read_identifier(register: str, number: str) -> tuple[str, str]:
    """(register, number) that somebody gives for an organisation; both may be blank. Raises MalformedIdentifier, UnknownRegister."""
    register, plain = register.strip().upper(), plain_number(number)
    if number.strip() and not is_number(plain):
        raise MalformedIdentifier(f"{number!r} is no number of an organisation.", field="identifier", given=number)
    if register and not is_register(register):
        raise UnknownRegister(
            f"{register!r} is no code of a register, such as RU-INN, AR-CUIT or BR-CNPJ.",
            field="identifier_scheme",
            register=register,
        )
    return register, plain
