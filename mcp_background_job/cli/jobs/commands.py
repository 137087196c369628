"""Which commands there are for jobs."""

from __future__ import annotations

from mcp_background_job.cli.command import Command

COMMANDS = (
    Command("run", "mcp_background_job.cli.jobs.run:run", "Start a command in the background."),
    Command("list", "mcp_background_job.cli.jobs.listing:list_jobs", "List jobs, running ones first."),
    Command("status", "mcp_background_job.cli.jobs.status:status", "Show everything that is known about a job."),
    Command("logs", "mcp_background_job.cli.jobs.logs:logs", "Print a job's output."),
    Command("wait", "mcp_background_job.cli.jobs.wait:wait", "Wait for jobs, and exit with their exit code."),
    Command("send", "mcp_background_job.cli.jobs.send:send", "Send text or keys to a job's stdin."),
    Command("kill", "mcp_background_job.cli.jobs.kill:kill", "Stop jobs and every process that they started."),
    Command("restart", "mcp_background_job.cli.jobs.restart:restart", "Start a job's command again."),
    Command("prune", "mcp_background_job.cli.jobs.prune:prune", "Remove ended jobs and their output."),
    Command("places", "mcp_background_job.cli.jobs.places:places", "Show where jobs can run, and what is free."),
)
