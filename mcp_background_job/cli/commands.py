"""The command line: all commands that there are."""

from __future__ import annotations

from mcp_background_job.cli.comfyui.commands import COMMANDS as COMFYUI_COMMANDS
from mcp_background_job.cli.command import Command
from mcp_background_job.cli.hooks.commands import COMMANDS as HOOK_COMMANDS
from mcp_background_job.cli.jobs.commands import COMMANDS as JOB_COMMANDS
from mcp_background_job.cli.runs.commands import COMMANDS as RUN_COMMANDS
from mcp_background_job.cli.wording import PROGRAM

_HELP = """\
Runs commands in the background, watches them, waits for them, and really kills them.

Without a command it serves MCP over stdio. A job's name works wherever its id does.
"""

#: Those that are in no group.
_SINGLE = (
    *JOB_COMMANDS,
    Command(
        "endings",
        "mcp_background_job.cli.hooks.endings:endings",
        "Print ended jobs and runs, or each end as it happens.",
    ),
    Command("top", "mcp_background_job.cli.top.command:top", "Watch jobs, renders and runs, full-screen."),
    Command(
        "dashboard", "mcp_background_job.cli.serving.dashboard:dashboard", "Show jobs, renders and runs in a browser."
    ),
    Command("serve", "mcp_background_job.cli.serving.serve:serve", "Serve MCP over stdio or HTTP."),
    Command("install", "mcp_background_job.cli.setup.install:install", "Add this server to a client's configuration."),
    Command(
        "uninstall",
        "mcp_background_job.cli.setup.install:uninstall",
        "Remove this server from a client's configuration.",
    ),
    Command(
        "doctor",
        "mcp_background_job.cli.doctor.doctor:doctor",
        "Show every problem found, which clients reach the server, and your settings.",
    ),
    Command("demo", "mcp_background_job.cli.setup.demo:main", "Show what this program does, in half a minute."),
    Command("exit-codes", "mcp_background_job.cli.setup.codes:codes", "Print what the commands exit with."),
    Command("completion", "mcp_background_job.cli.setup.completion:completion", "Print or install shell completion."),
)

_GROUPS = (
    Command("comfyui", "", "Control ComfyUI: its renders and its process.", commands=COMFYUI_COMMANDS),
    Command("runs", "", "Run other coding agents, and control them.", commands=RUN_COMMANDS),
    Command(
        "hook", "", "Commands that clients run by themselves: see docs/reference/hooks.md.", commands=HOOK_COMMANDS
    ),
)

#: The command line as one command, with all others below it.
ALL = Command(PROGRAM, "", _HELP, commands=(*_SINGLE, *_GROUPS))
