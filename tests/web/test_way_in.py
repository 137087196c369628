"""Who sees the page, and what strangers can put into it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.command_line import CommandLine
from tests.web.conftest import Complaints, Open
from tests.web.dashboard import Dashboard

pytestmark = pytest.mark.browser

#: What would be noticed if it were markup: in a chat, too, where the page is one file.
_HOSTILE = (
    '</script></style><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\'"`${window.hacked=1}'
)


@pytest.mark.carriers("browser")
def test_a_browser_without_a_link_is_told_how_to_get_one(
    view: Any, dashboard: Dashboard, complaints: Complaints
) -> None:
    complaints.expect("401")
    stranger = view.page.context.browser.new_context()
    page = stranger.new_page()

    page.goto(dashboard.url)

    page.get_by_role("alert").filter(has_text="mcp-background-job dashboard --link --port ").wait_for()
    stranger.close()


@pytest.mark.carriers("browser")
def test_a_link_is_worth_nothing_the_second_time_and_another_can_be_had(
    view: Any, cli: CommandLine, dashboard: Dashboard
) -> None:
    view.get_by_role("heading", level=1).wait_for()
    other = view.page.context.browser.new_context()
    page = other.new_page()

    page.goto(dashboard.link)
    page.get_by_text("This link was used").wait_for()

    port = dashboard.url.rstrip("/").rpartition(":")[2]
    page.goto(cli.ok("dashboard", "--link", "--no-open", "--port", port).strip())
    page.locator(".of").filter(has_text="/").wait_for()
    other.close()


@pytest.mark.requirement("page.text")
def test_a_hostile_job_and_address_put_nothing_into_any_page(view: Any, cli: CommandLine, open_at: Open) -> None:
    job = cli.start("--", f"cat <<'END'\n{_HOSTILE}\nEND\n")
    cli("wait", job)

    for path in ("/jobs", f"/jobs/{job}", "/comfyui", "/runs", "/runs/nobody"):
        open_at(path)
        view.get_by_role("heading", level=1).first.wait_for()
        open_at(f"{path}?status=%3Cimg%20src%3Dx%20onerror%3D%22window.hacked%3D1%22%3E")
        view.get_by_role("heading", level=1).first.wait_for()
        assert view.locator("main script, main style, img[src='x']").count() == 0

    assert view.evaluate("window.hacked") is None


def test_the_whole_frame_is_reached_by_the_keyboard(view: Any, carrier: str) -> None:
    view.get_by_role("heading", level=1, name="Jobs").wait_for()
    if carrier == "chat":
        view.page.locator("iframe").focus()
    reached: list[str] = []
    for _ in range(4):
        view.page.keyboard.press("Tab")
        reached.append(view.evaluate("() => document.activeElement.textContent"))

    assert reached == ["Skip to the content", "Jobs", "ComfyUI", "Runs"]
    view.page.keyboard.press("Enter")
    view.get_by_role("heading", level=1, name="Runs").wait_for()
    assert view.evaluate("() => document.activeElement.localName") == "main"
