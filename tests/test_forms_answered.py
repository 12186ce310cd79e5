"""Whatever form a browser sends, it is redirected to a page that it can load again, so that Back and a reload show no
warning."""

import re
from urllib.parse import quote

import pytest

from catalogue.roles import ROLES
from infra.web.app import guarded
from tests.market import Market
from tests.test_access import a_member, address, composed


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The addresses of all forms of pages."""
    found = guarded(composed(tmp_path_factory.mktemp("forms")))
    return sorted({path for path, each in found if "POST" in each.http_methods and not path.startswith("/api/")})


def test_the_forms_of_the_market_are_many(forms: list[str]) -> None:
    assert len(forms) > 50 and {"/login", "/auctions/new", "/unsubscribe/{token:str}"} <= set(forms)


@pytest.mark.parametrize("role", ["", *ROLES])
async def test_no_form_is_answered_with_a_page_itself(market: Market, forms: list[str], role: str) -> None:
    """Empty forms, forms with nonsense, forms about things that do not exist, forms of an auction that has ended."""
    wrong = []
    async with market.browser(a_member(role) if role else None) as browser:
        for path in forms:
            for fields in ({}, {"title": "\x00", "price": "1e99999", "quantity": "0", "request_key": "k"}):
                answer = await browser.post(address(path), fields)
                if browser.first != 303 or answer.request.method != "GET" or answer.status_code >= 500:
                    wrong.append(f"{path}: {browser.first}, then {answer.request.method} {answer.status_code}")
                led = re.findall(r'href="#([^"]+)"', answer.text)
                if nowhere := [each for each in led if f'id="{each}"' not in answer.text]:
                    wrong.append(f"{path} {fields}: links to {nowhere}, which are not on the page")
            if role:
                browser.client.cookies["lonja_session"] = market.token(a_member(role))
    assert not wrong, "\n".join(wrong)


async def test_a_form_without_the_token_of_its_session_gets_a_page_that_says_so(market: Market) -> None:
    async with market.browser(a_member("moderator")) as browser:
        said = {"origin": market.url, "referer": f"{market.url}/account"}
        answer = await browser.client.post("/account/keys", data={"key_name": "robot"}, headers=said)
        assert (answer.history[0].status_code, answer.status_code) == (303, 403)
        assert answer.url.path == "/account" and "robot" in answer.text


async def test_programs_and_scripts_are_answered_at_once(market: Market, forms: list[str]) -> None:
    async with market.browser(a_member("buyer_officer")) as browser:
        await browser.get("/login")
        token = {"x-csrf-token": browser.client.cookies["lonja_csrf"]}
        for headers in (token, {**token, "origin": market.url, "hx-request": "true"}):
            answer = await browser.client.post("/pools/new", data={}, headers=headers)
            assert (answer.status_code, answer.history) == (422, [])


async def test_links_on_the_answer_to_a_form_are_those_of_the_form(market: Market) -> None:
    """Its links, and the address after a change of language, are those of the form."""
    async with market.browser() as browser:
        page = await browser.get(f"/catalogue?q={quote('бумага', safe='')}&answer=0123456789abcdef")
        assert page.status_code == 200 and "answer=" not in page.text
