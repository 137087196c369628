"""``dashboard``: the page, in a browser."""

from __future__ import annotations

import os
import sys
from typing import Annotated
from urllib.parse import urlsplit

from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.parameter import named
from mcp_background_job.cli.wording import PROGRAM
from mcp_background_job.config import load_settings

#: What a link is worth.
_ONCE = "the link lets one browser in, once, within ten minutes; --link prints another while the page is served"


def dashboard(
    *,
    port: int | None = None,
    open_: Annotated[bool | None, named("--open", negative="--no-open")] = None,
    read_only: bool = False,
    link: bool = False,
) -> int:
    """Show jobs, renders and runs on a page, live; prints a link that lets one browser in, within ten minutes.

    Args:
        port: Port of the loopback interface to listen on, 0 for any; 7420 unless that is taken.
        open_: Whether to open the link in a browser; by default, on a terminal of a desktop.
        read_only: The page only shows: it cannot end, restart or answer anything.
        link: Serve nothing; print another link to the page that is served at the port, such as by serve --http.
    """
    settings = load_settings()
    from mcp_background_job.web.serve import PORT, another_link, serve_page  # noqa: PLC0415  only this command needs it

    def tell(to_page: str) -> None:
        terminal.line(to_page)
        terminal.flush()
        if port is None and not link and urlsplit(to_page).port != PORT:
            terminal.say(
                f"port {PORT} is taken, most likely by a dashboard: {PROGRAM} dashboard --link prints a link to it"
            )
        terminal.say(_ONCE if link else f"{_ONCE}; Ctrl-C ends the dashboard, and no job")
        if _is_wanted() if open_ is None else open_:
            import webbrowser  # noqa: PLC0415  see above

            if not webbrowser.open(to_page):
                terminal.say("no browser could be opened: follow the link")

    if link:
        tell(another_link(settings, port))
        return exit_codes.OK
    serve_page(settings, port, read_only=read_only, tell=tell)
    return exit_codes.OK


def _is_wanted() -> bool:
    """Tell whether there is likely to be a browser before the person who typed this."""
    has_desktop = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return has_desktop and sys.stdout.isatty() and "SSH_CONNECTION" not in os.environ
