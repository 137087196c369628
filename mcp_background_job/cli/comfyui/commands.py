"""Which commands there are for ComfyUI."""

from __future__ import annotations

from mcp_background_job.cli.command import Command

BATCH_COMMANDS = (
    Command("status", "mcp_background_job.cli.comfyui.batches.batch:status", "Show a batch, or list the newest ones."),
    Command(
        "cancel",
        "mcp_background_job.cli.comfyui.batches.batch:cancel",
        "Cancel the prompts of a batch that have not run.",
    ),
    Command(
        "pause",
        "mcp_background_job.cli.comfyui.batches.batch:pause",
        "Pause a batch: nothing more of it is sent.",
    ),
    Command("resume", "mcp_background_job.cli.comfyui.batches.batch:resume", "Resume a paused batch."),
    Command(
        "retry-failed",
        "mcp_background_job.cli.comfyui.batches.batch:retry_failed",
        "Run the failed prompts of a batch again.",
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
    Command("status", "mcp_background_job.cli.comfyui.status:status", "Show what ComfyUI is doing."),
    Command(
        "submit",
        "mcp_background_job.cli.comfyui.prompts.submit:submit",
        "Queue a workflow, or several as a batch.",
    ),
    Command("job", "mcp_background_job.cli.comfyui.prompts.job:job", "Show one prompt, or follow it to its end."),
    Command("jobs", "mcp_background_job.cli.comfyui.prompts.jobs:jobs", "List prompts, also those of earlier days."),
    Command("errors", "mcp_background_job.cli.comfyui.prompts.errors:errors", "Show why prompts failed."),
    Command("cancel", "mcp_background_job.cli.comfyui.prompts.cancel:cancel", "Stop a render, and verify it."),
    Command(
        "move", "mcp_background_job.cli.comfyui.prompts.move:move", "Move a pending prompt to the front, or the end."
    ),
    Command(
        "batch",
        "mcp_background_job.cli.comfyui.batches.batch:status",
        "List batches of prompts, or show and control one.",
        commands=BATCH_COMMANDS,
    ),
    Command(
        "sessions", "mcp_background_job.cli.comfyui.sessions.sessions:sessions", "List sessions, which group prompts."
    ),
    Command(
        "session",
        "mcp_background_job.cli.comfyui.sessions.session:show_session",
        "Show a session, or write it to a file and read it back.",
        commands=SESSION_COMMANDS,
    ),
    Command(
        "new-session",
        "mcp_background_job.cli.comfyui.sessions.new_session:new_session",
        "Begin a session in this directory.",
    ),
    Command("track", "mcp_background_job.cli.comfyui.sessions.track:track", "Add a prompt to a session."),
    Command("models", "mcp_background_job.cli.comfyui.inventory:models", "Search the models of ComfyUI."),
    Command("nodes", "mcp_background_job.cli.comfyui.inventory:nodes", "Search the node types of ComfyUI."),
    Command(
        "clear-history",
        "mcp_background_job.cli.comfyui.prompts.clear_history:clear_history",
        "Remove old entries from ComfyUI's history.",
    ),
    Command("upload", "mcp_background_job.cli.comfyui.outputs.upload:upload", "Upload input files for workflows."),
    Command("download", "mcp_background_job.cli.comfyui.outputs.download:download", "Download the outputs of prompts."),
    Command(
        "download-session",
        "mcp_background_job.cli.comfyui.outputs.download_session:download_session",
        "Download the outputs of a session.",
    ),
    Command("free", "mcp_background_job.cli.comfyui.lifecycle.free:free", "Unload models and free memory."),
    Command("start", "mcp_background_job.cli.comfyui.lifecycle.start:start", "Start ComfyUI as a background job."),
    Command(
        "stop", "mcp_background_job.cli.comfyui.lifecycle.stop:stop", "Stop ComfyUI and every process that it started."
    ),
    Command("restart", "mcp_background_job.cli.comfyui.lifecycle.restart:restart", "Stop ComfyUI and start it again."),
    Command(
        "feed", "mcp_background_job.cli.comfyui.batches.feed:feed", "Send what waits until nothing does.", is_own=True
    ),
    # Jobs of release 1.0.0 that are queued, and run after an update, run this.
    Command("dispatch", "mcp_background_job.cli.comfyui.batches.feed:feed", "The same.", is_own=True),
)
