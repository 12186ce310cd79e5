import pytest

from catalogue.identifiers import MalformedIdentifier, UnknownRegister, plain_number, read_identifier


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (("RU-INN", "7707083893"), ("RU-INN", "7707083893")),
        ((" br-cnpj ", "00.000.000/0001-91"), ("BR-CNPJ", "00000000/0001-91")),
        (("ES-NIF", "b 1234.5678"), ("ES-NIF", "B12345678")),
        (("", ""), ("", "")),
    ],
)
def test_an_identifier_is_one_however_it_is_spelt(typed: tuple[str, str], read: tuple[str, str]) -> None:
    assert read_identifier(*typed) == read


@pytest.mark.parametrize(
    ("typed", "rule", "field"),
    [
        (("RU-INN", "000"), MalformedIdentifier, "identifier"),
        (("RU-INN", "- / -"), MalformedIdentifier, "identifier"),
        (("banana", "7707083893"), UnknownRegister, "identifier_scheme"),
    ],
)
def test_what_is_no_identifier_is_refused(typed: tuple[str, str], rule: type[Exception], field: str) -> None:
    with pytest.raises(rule) as refused:
        read_identifier(*typed)
    assert refused.value.field == field  # type: ignore[attr-defined]


def test_fillers_are_no_number() -> None:
    assert plain_number("0-0") == "" == plain_number(" . ")
