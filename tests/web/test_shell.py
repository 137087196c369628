"""The frame around the pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.command_line import CommandLine
from tests.web.conftest import Complaints, Open
from tests.web.dashboard import Dashboard

pytestmark = pytest.mark.browser


def test_each_page_is_reached_by_its_link_and_by_its_address(
    view: Any, carrier: str, open_at: Open, shot: Callable[[str], None]
) -> None:
    for title, path in (("ComfyUI", "/comfyui"), ("Runs", "/runs"), ("Jobs", "/jobs")):
        view.get_by_role("navigation").get_by_role("link", name=title).click()
        view.get_by_role("heading", level=1, name=title).wait_for()
        assert view.evaluate("location.hash") == (f"#{path}" if carrier == "browser" else "")
        assert view.locator("nav a[aria-current]").inner_text() == title

    open_at("/runs")
    view.get_by_role("heading", level=1, name="Runs").wait_for()
    shot("shell")


@pytest.mark.requirement("page.live")
def test_a_page_says_when_its_server_is_gone_and_goes_on_when_it_is_back(
    view: Any, dashboard: Dashboard, complaints: Complaints
) -> None:
    complaints.expect("Failed to load resource")  # refused, or broken off
    view.locator(".of").filter(has_text="/").wait_for()

    dashboard.stop()
    view.get_by_role("alert").filter(has_text="The server is gone").wait_for()

    dashboard.start()
    view.get_by_role("alert").wait_for(state="hidden")


@pytest.mark.carriers("chat")
def test_a_chat_opens_the_page_at_the_job_that_its_model_has_named(view: Any, cli: CommandLine) -> None:
    job = cli.start("--name", "training", "--", "true")
    view.get_by_role("heading", level=1, name="Jobs").wait_for()

    message = {"method": "ui/notifications/tool-input", "params": {"arguments": {"job_id": job}}}
    view.page.evaluate("message => toView(message)", message)

    view.get_by_role("heading", level=1, name="training").wait_for()
