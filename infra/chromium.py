"""Finds a Chromium for the browser tests, or installs one; `python -m infra.chromium` prints where it is.

Order: LONJA_CHROMIUM, an installed browser, Playwright's own, `apt-get install chromium` (root on Debian and similar
systems), `playwright install chromium`. If none of them works, it fails with a message: the browser tests are never
skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

INSTALLED = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class NoChromium(Exception):
    """No Chromium was found, and none could be installed."""

    code = "no-chromium"


def find() -> Path | None:
    """A Chromium that is already installed. Raise NoChromium if LONJA_CHROMIUM is set and names none."""
    named = os.environ.get("LONJA_CHROMIUM")
    if named:
        if not os.access(named, os.X_OK):
            raise NoChromium(f"LONJA_CHROMIUM={named} is not a program that can be run")
        return Path(named)
    for name in INSTALLED:
        if found := shutil.which(name):
            return Path(found)
    return _playwrights_own()


def ensure() -> Path:
    """A Chromium, installed if necessary. Raise NoChromium."""
    tried: list[str] = []
    if found := find():
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _try(("apt-get", "update", "-qq"), tried)
        _try(("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"), tried)
    if found := find():
        return found
    _try((sys.executable, "-m", "playwright", "install", "chromium"), tried)
    if found := find():
        return found
    raise NoChromium(
        "The browser tests need Chromium and there is none. Install it (`apt-get install chromium` as root, or "
        "`.venv/bin/playwright install chromium`), or set LONJA_CHROMIUM to one. Tried:\n" + "\n".join(tried)
    )


def _playwrights_own() -> Path | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return path if path.exists() else None


def _try(command: tuple[str, ...], tried: list[str]) -> None:
    print("no Chromium yet; running", " ".join(command), flush=True)
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    )
    tried.append(f"{' '.join(command)}: exit code {done.returncode} {done.stderr.strip()[-300:]}")


if __name__ == "__main__":
    try:
        print(f"Chromium: {ensure()}")
    except NoChromium as failure:
        sys.exit(str(failure))
