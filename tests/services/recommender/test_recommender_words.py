"""Reasons of recommendations and verdicts on models, in the reader's language."""

import pytest

from infra.web.languages import ENGLISH, LANGUAGES, speaking
from recommender import sentence
from recommender.reasons import SENTENCES
from recommender.values import Reason
from services.market.reasons import FORMS, in_language

VALUES: dict[str, object] = {
    "category": "Pharmaceutical products (CPV 33600000)",
    "buyer": "School 7",
    "region": "Moskva",
}


@pytest.mark.parametrize("code", SENTENCES)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_reason_is_translated(code: str, count: int) -> None:
    said = sentence(Reason(code, {**VALUES, "awards": count, "suppliers": count}))  # type: ignore[arg-type]
    assert in_language(said) == said
    assert any(form.fullmatch(said) for form, _ in FORMS), said
    for language in set(LANGUAGES) - {ENGLISH}:
        with speaking(language):
            other = in_language(said)
        assert other != said
        assert all(str(value) in other for value in VALUES.values() if str(value) in said)
        assert str(count) in other or str(count) not in said


def test_a_count_has_the_form_of_its_number() -> None:
    with speaking("ru"):
        assert in_language("You won 2 contracts in Moskva") == "Вы выиграли 2 контракта в регионе: Moskva"
        assert in_language("You won 5 contracts in Moskva") == "Вы выиграли 5 контрактов в регионе: Moskva"
        former = "3 suppliers with wins in the same categories as you also won in category 226"
        assert in_language(former).startswith("3 поставщика, побеждавших в тех же категориях"), "of the former release"
        assert in_language("Something of an older release") == "Something of an older release"
