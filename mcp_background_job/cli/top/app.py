"""The window of ``top``: three tabs, a line above that says what there is, and one below with the keys."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.filter import Monochrome, NoColor
from textual.theme import BUILTIN_THEMES
from textual.widgets import ContentSwitcher, Static

from mcp_background_job.cli.top import columns, keys, leaving, painting
from mcp_background_job.cli.top.comfyui import ComfyUITab
from mcp_background_job.cli.top.desk import Desk
from mcp_background_job.cli.top.jobs import JobsTab
from mcp_background_job.cli.top.questions import Help
from mcp_background_job.cli.top.runs import RunsTab
from mcp_background_job.cli.top.tab import Tab

#: Colours of the terminal's own palette, over its own background: they fit a light one and a dark one.
_THEME = replace(
    BUILTIN_THEMES["ansi-dark"],
    name="terminal",
    accent="ansi_cyan",
    variables=BUILTIN_THEMES["ansi-dark"].variables
    | {
        "border": "ansi_blue",
        "border-blurred": "ansi_blue",
        "block-cursor-foreground": "ansi_default",
        "block-cursor-background": "ansi_default",
        "block-cursor-text-style": "reverse",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-background": "ansi_default",
        "input-cursor-text-style": "reverse",
    },
)

_WORDS = {keys.JOBS: "Jobs", keys.COMFYUI: "ComfyUI", keys.RUNS: "Runs"}


class Top(App[None]):
    """Jobs, renders and runs, live."""

    CSS_PATH = "top.tcss"
    TITLE = "mcp-background-job top"
    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    AUTO_FOCUS = None
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("escape", "back_out", show=False),
        *(Binding(name, f"key('{name}')", show=False) for name in dict.fromkeys(key.key for key in keys.KEYS)),
        *(Binding(key.key, key.action, show=False) for key in keys.COMMON),
    ]

    def __init__(self, desk: Desk, *, in_colour: bool = True) -> None:
        """Takes what it asks, and whether the terminal has colours."""
        super().__init__()
        self.register_theme(_THEME)
        self.theme = _THEME.name
        self.animation_level = "none"  # every frame goes over a line that may be slow
        # With NO_COLOR the library would make greys of colours, and black on black of those of the terminal's palette.
        self._filters[:] = [one for one in self._filters if not isinstance(one, (Monochrome, NoColor))]
        if not in_colour:
            self._filters.append(NoColor())
        # At hand and not looked for: at the end news come in when some of these are gone from the window already.
        self._shown = keys.JOBS
        self._switcher = ContentSwitcher(initial=keys.JOBS)
        self._first, self._last = Static(id="first"), Static(id="last")
        self.tabs: dict[str, Tab] = {tab.name_of_tab: tab for tab in (JobsTab(desk), ComfyUITab(desk), RunsTab(desk))}

    def compose(self) -> ComposeResult:
        """Show the first tab."""
        yield self._first
        with self._switcher:
            yield from self.tabs.values()
        yield self._last

    @property
    def tab(self) -> Tab:
        """The tab that is shown."""
        return self.tabs[self._shown]

    def on_mount(self) -> None:
        """Begin."""
        if not self.is_headless:  # a test: the process is not ours
            leaving.end_with_terminal(self.exit)
        self.action_tab(keys.JOBS)

    def on_resize(self) -> None:
        """Take the words that there is room for now."""
        self.call_after_refresh(self.on_tab_changed)

    # -- what stands above and below ---------------------------------------------------------------------------------

    def on_tab_changed(self) -> None:
        """Say what there is, and which keys do something now."""
        tab, width = self.tab, self.size.width
        first: list[tuple[str, str]] = []
        for number, (name, words) in enumerate(_WORDS.items(), start=1):
            first.append((f" {number} {words} ", "reverse bold" if name == tab.name_of_tab else ""))
        left = width - sum(len(text) for text, _ in first) - 2
        title = painting.fitted(columns.joined(tab.title, left), max(0, left), right=True)
        self._first.update(Content.assemble(*first, "  ", title))
        last = keys.footer(tab.name_of_tab, tab.row, width)
        pairs = [part for shown, label in last for part in ((shown, "bold"), (f" {label}  ", "dim"))]
        self._last.update(Content.assemble(*pairs))

    # -- keys --------------------------------------------------------------------------------------------------------

    def action_tab(self, name: str) -> None:
        """Show a tab."""
        self.tab.end()
        self._shown = self._switcher.current = name
        self.tab.rows.focus()
        self.tab.begin()
        self.on_tab_changed()

    def action_key(self, pressed: str) -> None:
        """Do what a key means in this tab, if it can be done with the row that is meant."""
        tab = self.tab
        key = keys.meant(tab.name_of_tab, pressed)
        if key is None:
            return
        if not key.fits(tab.row):
            tab.refused(key)
            return
        doing = getattr(tab, f"do_{key.action}")()
        if asyncio.iscoroutine(doing):
            self.run_worker(doing, group="doing")

    def action_back_out(self) -> None:
        """Take back the last of what was asked."""
        self.tab.back_out()

    def action_help(self) -> None:
        """Show all keys."""
        self.push_screen(Help(self.tab.name_of_tab))
