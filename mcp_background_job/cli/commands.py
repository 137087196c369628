"""The command line: all commands that there are, and the ``App`` that parses what is typed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from cyclopts import App, Parameter

from mcp_background_job import __version__
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.comfyui.commands import COMMANDS as COMFYUI_COMMANDS
from mcp_background_job.cli.command import Command
from mcp_background_job.cli.hooks.commands import COMMANDS as HOOK_COMMANDS
from mcp_background_job.cli.jobs.commands import COMMANDS as JOB_COMMANDS
from mcp_background_job.cli.runs.commands import COMMANDS as RUN_COMMANDS

_HELP = """\
Runs commands in the background, watches them, waits for them, and really kills them.

Without a command it serves MCP over stdio. A job's name works wherever its id does.
"""

#: Those that are in no group.
COMMANDS = (
    *JOB_COMMANDS,
    Command("endings", "mcp_background_job.cli.hooks.endings:endings", "Print what has ended, or what ends."),
    Command("top", "mcp_background_job.cli.top.command:top", "Watch jobs, renders and runs, full-screen."),
    Command(
        "dashboard", "mcp_background_job.cli.serving.dashboard:dashboard", "Show all of it on a page, in a browser."
    ),
    Command("serve", "mcp_background_job.cli.serving.serve:serve", "Serve MCP over stdio or HTTP."),
    Command(
        "install", "mcp_background_job.cli.setup.install:install", "Put this server into a client's configuration."
    ),
    Command("uninstall", "mcp_background_job.cli.setup.install:uninstall", "Take it out of a client again."),
    Command("doctor", "mcp_background_job.cli.doctor.doctor:doctor", "Show the settings in force, and what is wrong."),
    Command("demo", "mcp_background_job.cli.setup.demo:main", "Show what it can do, in a minute."),
    Command("completion", "mcp_background_job.cli.setup.completion:completion", "Print or install shell completion."),
)

#: Groups of commands: what each is for, and those in it.
GROUPS = {
    "comfyui": ("Control ComfyUI: its renders, and its process.", COMFYUI_COMMANDS),
    "runs": ("Run other coding agents, and stay in control.", RUN_COMMANDS),
    "hook": ("What clients run by themselves: see docs/reference/hooks.md.", HOOK_COMMANDS),
}


class _HelpFormatter:
    """One of cyclopts's, loaded when help is asked for: a quick command does without."""

    @cached_property
    def _theirs(self) -> Any:
        from cyclopts.help import formatters  # noqa: PLC0415  see above

        return formatters.DefaultFormatter() if terminal.for_people() else formatters.PlainFormatter()

    def __call__(self, console: Any, options: Any, panel: Any) -> None:
        self._theirs(console, options, panel)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._theirs, name)


def build_app() -> App:
    """Return the command line."""
    app = App(
        name=terminal.PROGRAM,
        help=_HELP,
        help_epilogue=exit_codes.HELP,
        version=__version__,
        default_parameter=Parameter(negative=()),
        help_formatter=_HelpFormatter(),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    _add(app, COMMANDS)
    for name, (about, commands) in GROUPS.items():
        group = App(name=name, help=about)
        _add(group, commands)
        app.command(group)
    return app


def _add(app: App, commands: Iterable[Command]) -> None:
    for command in commands:
        app.command(command.path, name=command.name, help=command.about, show=not command.is_own)
