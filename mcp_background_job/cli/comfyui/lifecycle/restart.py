"""``comfyui restart``: end ComfyUI and run it again."""

from __future__ import annotations

from mcp_background_job.actions.comfyui.lifecycle import RestartOne
from mcp_background_job.cli.arguments import AsJson, Seconds
from mcp_background_job.cli.comfyui.lifecycle.carrying_out import READY_S, carry_out
from mcp_background_job.cli.session import caller
from mcp_background_job.comfyui.lifecycle.carry_over import Requeue


def restart(
    *,
    server: str = "",
    force: bool = False,
    requeue: Requeue = "none",
    wait: Seconds = READY_S,
    as_json: AsJson = False,
) -> int:
    """Stop ComfyUI with all its children, and start it again as it was started: for a wedge that nothing else stops.

    Args:
        server: Which one of several ComfyUIs, as status names them.
        force: Even if prompts run, or it does not answer.
        requeue: Which prompts to submit again; all means the running one too.
        wait: Wait this long until it answers, in seconds or as 5m; it goes on starting afterwards.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = RestartOne(server=server, force=force, requeue=requeue, wait_s=wait)
    return carry_out(lambda life: life.restart_comfyui(caller(), asked), "restarting ComfyUI", as_json=as_json)
