"""Which commands there are for runs of agents."""

from __future__ import annotations

from mcp_background_job.cli.command import Command

COMMANDS = (
    Command("list", "mcp_background_job.cli.runs.listing:list_runs", "List runs, newest first."),
    Command("show", "mcp_background_job.cli.runs.show:show", "Show everything that is known about a run."),
    Command("events", "mcp_background_job.cli.runs.events:events", "Print what an agent says, or follow it."),
    Command("watch", "mcp_background_job.cli.runs.watch:watch", "Show a run as it goes, and answer what it asks."),
    Command("spawn", "mcp_background_job.cli.runs.spawn:spawn", "Give a task to an agent."),
    Command("continue", "mcp_background_job.cli.runs.go_on:go_on", "Answer a run, or continue it after its end."),
    Command(
        "artifact",
        "mcp_background_job.cli.runs.artifact:artifact",
        "Print the full text of a field that an event shows cut.",
    ),
    Command("cancel", "mcp_background_job.cli.runs.cancel:cancel", "Stop a run and every process that it started."),
    Command("agents", "mcp_background_job.cli.runs.agents:agents", "List agents, and the messages that wait for them."),
    Command("send", "mcp_background_job.cli.runs.send:send", "Leave a message for another agent."),
    Command("inbox", "mcp_background_job.cli.runs.inbox:inbox", "Print messages to an agent."),
)
