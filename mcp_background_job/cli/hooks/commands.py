"""Which commands clients run by themselves."""

from __future__ import annotations

from mcp_background_job.cli.command import Command

COMMANDS = (
    Command(
        "stop",
        "mcp_background_job.cli.hooks.stop_command:stop",
        "Wait at the end of a turn, and let the model continue.",
    ),
)
