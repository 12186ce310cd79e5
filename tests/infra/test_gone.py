"""Which answers to a form are about a form that is gone."""

import pytest

from infra.web.gone import still_there

ONE = '<form method="post" action="/pools/new" class="card"><input name="title"></form>'
SEVERAL = '<form id="pay-2" method="post" action="/contracts/c/execution/payment#pay-2"></form>'


@pytest.mark.parametrize(
    ("shown", "path", "names", "there"),
    [
        (ONE, "/pools/new", ["scoring"], True),  # the field at fault is not on the page, its form is
        (ONE, "/pools/p/cancel", ["reason"], False),
        ('<form action="/auctions/new?sku=1&amp;sku=2" method="post">', "/auctions/new", ["scoring"], True),
        (SEVERAL, "/contracts/c/execution/payment", ["pay-2-number"], True),
        (SEVERAL, "/contracts/c/execution/payment", ["pay-1-number"], False),  # another invoice is still to be paid
        ("<p>no form</p>", "/pools/new", ["title"], False),
    ],
)
def test_a_form_is_gone_if_the_page_does_not_have_it(shown: str, path: str, names: list[str], there: bool) -> None:
    assert still_there(shown, path, names) is there
