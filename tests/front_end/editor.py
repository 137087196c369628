"""The front end in a headless browser, of which only its export is asked for."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from tests.patience import PATIENCE_S

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
def opened(browser: Any, url: str) -> Generator[Editor]:
    """Open the front end."""
    page = browser.new_page()
    try:
        page.goto(url)
        page.wait_for_function(_READY, timeout=PATIENCE_S * 1000)
        yield Editor(page)
    finally:
        page.close()
