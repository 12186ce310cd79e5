"""What a page says to a form of an old tab, whose act was done, or is over, since."""

import re

from tests.market import Browser

LONG = "x" * 6_000
"""Longer than any text of a form may be."""
OVER = "This was done already, or is over"


async def check_told_over(browser: Browser, path: str, fields: dict[str, object], *words: str) -> None:
    """Sent to ``path``, wrong ``fields`` are answered by a page whose head says one of ``words``, or that it is over in general; it
    speaks of no field that is not on it, and every link within it leads somewhere."""
    answer = await browser.post(path, fields)
    main = answer.text.partition("<main")[2].partition("</main>")[0]
    said = re.findall(r'<(?:p|div) class="error"[^>]*role="alert">(.*?)</(?:p|div)>', main, re.DOTALL)
    assert answer.status_code == 422, (path, answer.status_code)
    assert [any(word in each for word in words or (OVER,)) for each in said].count(True) == 1, (path, said)
    assert all(re.sub("<[^>]*>", "", each).strip()[0].isupper() for each in said), (path, said)
    assert "Please mend" not in main and "is required" not in main, path
    led = set(re.findall(r'href="#([^"]+)"', main))
    assert [each for each in led if f'id="{each}"' not in main] == [], path
