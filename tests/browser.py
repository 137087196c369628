"""A headless browser: Debian's Chromium, or Playwright's own, driven by Playwright."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

#: The program's names, Debian's first. Chromium without a window takes a third of the processor time.
_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@contextmanager
def browsing(installed_by: str) -> Generator[Any]:
    """Start a browser with a home of its own; skips the test if there is no browser.

    Only one browser at a time: until it is closed, Playwright's loop runs in this thread, and a second loop cannot
    start beside it.

    Args:
        installed_by: the command that installs what is missing, for the reason of a skip.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason=f"no playwright: {installed_by} installs it")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, sync_api.sync_playwright() as playwright:
        own = playwright.chromium.executable_path  # the browser that Playwright installs
        browser_path = next(filter(None, map(shutil.which, (*_BROWSERS, own))), None)
        if browser_path is None:
            pytest.skip(f"no Chromium: {installed_by} installs it")
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox"], env={**os.environ, "HOME": home, "TMPDIR": home}
        )
        try:
            yield browser
        finally:
            browser.close()
