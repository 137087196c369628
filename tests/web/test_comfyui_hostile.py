"""The page of ComfyUI is given texts that would run if it took any of them for more than a text."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from tests.cli.command_line import CommandLine
from tests.comfyui.lifecycle.lifecycle_support import Control
from tests.comfyui.talk import submit
from tests.comfyui_simulator.nodes import graphs
from tests.comfyui_simulator.process import Simulator
from tests.web.conftest import Open
from tests.web.renderer import Renderer, hostile

pytestmark = pytest.mark.browser

Shot = Callable[[str], None]

#: Names are printable.
SESSION = '"><img src=x onerror="alert(1)"><script>alert(1)</script>'


@pytest.fixture(autouse=True)
def simulator(cli: CommandLine) -> Generator[Simulator]:
    """A ComfyUI of those that take anything for an id."""
    with Simulator.start("--startup-delay", "0", "--version", "old") as one:
        cli.environment["COMFYUI_URL"] = one.url
        yield one


async def _name_session(control: Control) -> None:
    await control.comfyui.sessions.new(SESSION, "/project")


def test_no_text_of_anybody_is_taken_for_more_than_a_text(
    view: Any, open_at: Open, renderer: Renderer, simulator: Simulator, shot: Shot
) -> None:
    opened: list[str] = []

    def refuse(dialog: Any) -> None:
        opened.append(dialog.message)
        dialog.dismiss()

    view.page.on("dialog", refuse)
    titled = {"_meta": {"title": hostile("node")}}
    renderer.do(_name_session)
    renderer.run({"9": graphs.file("<img src=x onerror=alert(1)>.png")["1"] | titled}, hostile("made"))
    renderer.run({"1": graphs.raising(hostile("cause"))["1"] | titled}, hostile("failed"))
    renderer.run(graphs.text(hostile("shown")))
    theirs = hostile("id").replace("{{7*7}}", "")
    submit(simulator, {"1": graphs.sleeping(300)["1"] | titled}, prompt_id=theirs)
    renderer.submit(graphs.output(), hostile("waits"))
    renderer.batch([graphs.output(), graphs.output()], hostile("batch"))

    open_at("/comfyui")
    queue, made = view.get_by_role("region", name="Queue"), view.get_by_role("region", name="Results")
    queue.get_by_text(hostile("node"), exact=True).first.wait_for(state="attached")
    queue.get_by_role("link", name=hostile("waits"), exact=True).wait_for()
    queue.get_by_role("link", name=hostile("batch"), exact=True).first.wait_for()
    made.get_by_role("link", name=hostile("made"), exact=True).wait_for()
    assert (
        made.locator(".thumbs a").get_attribute("title") == f"{hostile('node')} (9): <img src=x onerror=alert(1)>.png"
    )
    made.get_by_text(hostile("shown")).wait_for()
    assert made.locator("option", has_text=SESSION).count() == 1
    shot("comfyui-hostile")

    made.get_by_role("link", name=hostile("failed"), exact=True).click()
    view.get_by_role("heading", name=f"{hostile('node')} failed").wait_for()
    view.get_by_text(hostile("cause")).first.wait_for()
    view.get_by_role("link", name="Back to ComfyUI").click()
    queue.locator(f'a[title="{theirs.replace(chr(34), chr(92) + chr(34))}"]').click()
    view.get_by_text(f"prompt {theirs}").wait_for()
    assert opened == []
    assert view.evaluate("document.querySelectorAll('main script, main img[onerror]').length") == 0
