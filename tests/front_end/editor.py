"""The front end in a headless browser, of which only its export is asked for."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.patience import PATIENCE_S

#: What Debian calls it, and others.
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")

_READY = (
    "() => window.app && window.app.graph && window.LiteGraph && window.LiteGraph.registered_node_types['SaveImage']"
)

#: Dates and choices by chance would differ from call to call.
_EXPORT = """async (workflow) => {
  Math.random = () => 0
  await window.app.loadGraphData(workflow)
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
  return (await window.app.graphToPrompt()).output
}"""


class Editor:
    """An open page with the front end."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def export(self, workflow: dict[str, Any]) -> dict[str, Any]:
        """Return the prompt that the front end makes of a workflow."""
        return self._page.evaluate(_EXPORT, workflow)


@contextmanager
def browsing() -> Generator[Any]:
    """Start a browser with a home of its own, where it leaves what it likes; skips the test where there is none.

    One at a time: until it is closed, Playwright's loop runs in this thread, and it starts no second one beside that.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright: make test-front-end installs it")
    browser_path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser_path is None:
        pytest.skip("no Chromium: make test-front-end installs it")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path, args=["--no-sandbox"], env={**os.environ, "HOME": home, "TMPDIR": home}
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Any, url: str) -> Generator[Editor]:
    """Open the front end."""
    page = browser.new_page()
    try:
        page.goto(url)
        page.wait_for_function(_READY, timeout=PATIENCE_S * 1000)
        yield Editor(page)
    finally:
        page.close()
