"""Checks for every page: its frame, its width, and its accessibility."""

import re
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from tests.journeys.conftest import SETTLES

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
    "resultTypes": ["violations"],
    "elementRef": False,
}
AXE = Axe().axe_script
LOOKS = 20
"""The number of checks, each after ``SETTLES``, whether charts and maps have adapted to the width."""


async def frame(page: Page) -> list[str]:
    headings, title = await page.locator("h1").count(), await page.title()
    said = [] if headings == 1 else [f"{headings} first headings"]
    return said if re.fullmatch(r"\S.* · Lonja", title) else [*said, f"title {title!r}"]


async def fits(page: Page) -> bool:
    """Whether nothing overflows sideways after charts and maps have adapted to the width."""
    for _ in range(LOOKS):
        if await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
            return True
        await page.wait_for_timeout(SETTLES)
    return False


async def breaches(page: Page) -> list[str]:
    """Findings of axe that are serious or critical: rule, element, reason."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE)
    violations: Any = await page.evaluate("options => axe.run(options).then(results => results.violations)", RULES)
    return [
        f"{found['id']} ({found['impact']}) {node['target'][0]}: {node['html'][:160]}"
        for found in violations
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"][:3]
    ]
