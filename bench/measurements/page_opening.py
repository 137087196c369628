"""The time until a page shows its subject, in a real browser, whose driver ``make .venv/web`` installs."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Generator
from importlib import import_module
from typing import Any

from bench.figures import Figure, at_most, p50
from bench.measurements.history import write_history
from bench.measurements.tail import job_with_log
from bench.pages import PageServer, serving
from bench.plan import Plan

_FIRST_MS = 300.0
_MEMORY_MB = 60.0

#: Notes, in each new page, when the first element that matches was painted (ms since the page was asked for).
_NOTES = """
window.shown = new Promise((resolve) => {
  const look = () => {
    if (!document.querySelector(SELECTOR)) return;
    watching.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now())));
  };
  const watching = new MutationObserver(look);
  watching.observe(document, { childList: true, subtree: true });
});
"""


def measure_page_opening(plan: Plan) -> list[Figure]:
    """Measure the first lines' painting: of a list of 10,000 jobs, and of the end of a log of 1 GB."""
    jobs, size = plan.count(10_000, 500), plan.count(10**9, 2 * 10**7)
    state = plan.workspace.state_dir()
    write_history(state, jobs)
    with plan.workspace.ours(state, max_output_size="2GB") as tools:
        job_id = job_with_log(tools, size)
    count = plan.count(15, 3)
    with serving(plan, state) as server, _browser() as browser:
        of_list, memory_of_list = _opened(browser, server, "#/jobs", ".rows .job-row", count)
        of_log, memory_of_log = _opened(browser, server, f"#/jobs/{job_id}", ".log .line", count)
    return [
        at_most(f"{jobs:,} jobs: first rows on the page (n = {count})", of_list, "ms", bar=_FIRST_MS, digits=0),
        at_most(f"a log of {size / 1e9:g} GB at its end: the same", of_log, "ms", bar=_FIRST_MS, digits=0),
        at_most("memory of these pages", max(memory_of_list, memory_of_log), "MB", bar=_MEMORY_MB, digits=1),
    ]


def _opened(browser: Any, server: PageServer, place: str, selector: str, count: int) -> tuple[float, float]:
    """Open a page again and again; returns how long that takes (ms) and the page's memory (MB)."""
    name, _, value = server.cookie.partition("=")
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": name, "value": value, "domain": "127.0.0.1", "path": "/api"}])
    context.add_init_script(_NOTES.replace("SELECTOR", repr(selector)))
    page = context.new_page()
    took: list[float] = []
    for _ in range(count + 1):
        page.goto("about:blank")
        page.goto(f"http://{server.address}/{place}")
        took.append(page.evaluate("() => window.shown"))
    talk = context.new_cdp_session(page)
    talk.send("Performance.enable")
    metrics = {metric["name"]: metric["value"] for metric in talk.send("Performance.getMetrics")["metrics"]}
    context.close()
    return p50(took[1:]), metrics["JSHeapTotalSize"] / 1e6  # the first opening fills the caches of both sides


@contextlib.contextmanager
def _browser() -> Generator[Any]:
    playwright = import_module("playwright.sync_api")
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
