"""The subjects of the page of ComfyUI, and its own actions, in two tables."""

from __future__ import annotations

from typing import Any

from mcp_background_job.actions.action import Action, Effects
from mcp_background_job.actions.comfyui.lifecycle import START_S
from mcp_background_job.actions.house import House
from mcp_background_job.actions.page import comfyui, gallery, previews
from mcp_background_job.actions.page.subject import Subject

_NOT_RESTARTED = frozenset({"failed"})


def comfyui_subjects(house: House) -> list[Subject[Any]]:
    """Return the live subjects."""
    queue = comfyui.Queue(house.comfyui)
    live = previews.Previews(house.comfyui)
    made = gallery.Gallery(house.comfyui, queue)
    return [
        Subject("comfyui", comfyui.Look, queue.look, queue.wait, queue.keep),
        Subject("comfyui_live", previews.Watch, live.look, live.wait, live.keep),
        Subject("comfyui_gallery", gallery.Watch, made.look, made.wait),
    ]


def comfyui_page_actions(house: House) -> list[Action[Any, Any]]:
    """Return the actions that only this page uses."""
    prompts = comfyui.Prompts(house.comfyui)
    return [
        Action(prompts.comfyui_page_prompt, Effects.LOOKS),
        Action(prompts.comfyui_page_stake, Effects.LOOKS),
        Action(prompts.comfyui_page_restart, Effects.STARTS, START_S, unmet=_NOT_RESTARTED),
        Action(gallery.Pictures(house.comfyui).comfyui_page_picture, Effects.LOOKS),
    ]
