"""Which commands there are for ComfyUI."""

from __future__ import annotations

from mcp_background_job.cli.command import Command

BATCH_COMMANDS = (
    Command("status", "mcp_background_job.cli.comfyui.batches.batch:status", "Show a batch, or list the newest ones."),
    Command(
        "cancel", "mcp_background_job.cli.comfyui.batches.batch:cancel", "Cancel a batch: what has not run never will."
    ),
    Command(
        "pause",
        "mcp_background_job.cli.comfyui.batches.batch:pause",
        "Send nothing more of a batch until it is resumed.",
    ),
    Command("resume", "mcp_background_job.cli.comfyui.batches.batch:resume", "Let a paused batch go on."),
    Command(
        "retry-failed",
        "mcp_background_job.cli.comfyui.batches.batch:retry_failed",
        "Run the failed prompts of a batch once more.",
    ),
    Command(
        "give-up",
        "mcp_background_job.cli.comfyui.batches.batch:give_up",
        "Give up what a ComfyUI has that is wedged or gone.",
    ),
)
SESSION_COMMANDS = (
    Command("show", "mcp_background_job.cli.comfyui.sessions.session:show_session", "Show a session and its prompts."),
    Command("export", "mcp_background_job.cli.comfyui.sessions.session:export_session", "Write a session as JSON."),
    Command("import", "mcp_background_job.cli.comfyui.sessions.session:import_session", "Add a session from a file."),
)
COMMANDS = (
    Command("status", "mcp_background_job.cli.comfyui.status:status", "Show what ComfyUI does now."),
    Command(
        "submit",
        "mcp_background_job.cli.comfyui.prompts.submit:submit",
        "Put a workflow into its queue; several make a batch.",
    ),
    Command("job", "mcp_background_job.cli.comfyui.prompts.job:job", "Show one prompt, or follow it to its end."),
    Command("jobs", "mcp_background_job.cli.comfyui.prompts.jobs:jobs", "List prompts, those of earlier days too."),
    Command("errors", "mcp_background_job.cli.comfyui.prompts.errors:errors", "Show why prompts failed."),
    Command("cancel", "mcp_background_job.cli.comfyui.prompts.cancel:cancel", "Stop a render, and verify it."),
    Command(
        "move", "mcp_background_job.cli.comfyui.prompts.move:move", "Move a pending prompt to the front, or the end."
    ),
    Command(
        "batch",
        "mcp_background_job.cli.comfyui.batches.batch:status",
        "List batches of prompts, or look after one.",
        commands=BATCH_COMMANDS,
    ),
    Command(
        "sessions", "mcp_background_job.cli.comfyui.sessions.sessions:sessions", "List sessions, which group prompts."
    ),
    Command(
        "session",
        "mcp_background_job.cli.comfyui.sessions.session:show_session",
        "Show a session; take it to or from a file.",
        commands=SESSION_COMMANDS,
    ),
    Command(
        "new-session",
        "mcp_background_job.cli.comfyui.sessions.new_session:new_session",
        "Begin a session in this directory.",
    ),
    Command("track", "mcp_background_job.cli.comfyui.sessions.track:track", "Add a prompt to a session."),
    Command("models", "mcp_background_job.cli.comfyui.inventory:models", "Search the models that it has."),
    Command("nodes", "mcp_background_job.cli.comfyui.inventory:nodes", "Search the kinds of nodes that it has."),
    Command(
        "clear-history",
        "mcp_background_job.cli.comfyui.prompts.clear_history:clear_history",
        "Remove old entries of its history.",
    ),
    Command("upload", "mcp_background_job.cli.comfyui.outputs.upload:upload", "Upload what workflows take."),
    Command("download", "mcp_background_job.cli.comfyui.outputs.download:download", "Download what prompts have made."),
    Command(
        "download-session",
        "mcp_background_job.cli.comfyui.outputs.download_session:download_session",
        "Download what the prompts of a session have made.",
    ),
    Command("free", "mcp_background_job.cli.comfyui.lifecycle.free:free", "Have it let go of memory."),
    Command("start", "mcp_background_job.cli.comfyui.lifecycle.start:start", "Start ComfyUI as a background job."),
    Command("stop", "mcp_background_job.cli.comfyui.lifecycle.stop:stop", "End ComfyUI and all that it started."),
    Command("restart", "mcp_background_job.cli.comfyui.lifecycle.restart:restart", "End ComfyUI and run it again."),
    Command(
        "feed", "mcp_background_job.cli.comfyui.batches.feed:feed", "Send what waits until nothing does.", is_own=True
    ),
    # Jobs of release 1.0.0 that are queued, and run after an update, run this.
    Command("dispatch", "mcp_background_job.cli.comfyui.batches.feed:feed", "The same.", is_own=True),
)
