"""Which commands there are for ComfyUI."""

from __future__ import annotations

from mcp_background_job.cli.command import Command

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
    Command("batch", "mcp_background_job.cli.comfyui.batches.batch:app", "List batches of prompts, or look after one."),
    Command(
        "sessions", "mcp_background_job.cli.comfyui.sessions.sessions:sessions", "List sessions, which group prompts."
    ),
    Command(
        "session", "mcp_background_job.cli.comfyui.sessions.session:app", "Show a session; take it to or from a file."
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
