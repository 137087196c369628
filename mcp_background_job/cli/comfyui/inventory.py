"""``comfyui models`` and ``comfyui nodes``: what a ComfyUI has."""

from __future__ import annotations

from typing import Annotated

from mcp_background_job.actions.comfyui.inventory import Looking, Models, Nodes
from mcp_background_job.actions.opening import at_hand
from mcp_background_job.cli import exit_codes, terminal
from mcp_background_job.cli.arguments import AsJson
from mcp_background_job.cli.comfyui.connection import with_comfyui
from mcp_background_job.cli.escaping import escaped
from mcp_background_job.cli.parameter import Parameter
from mcp_background_job.cli.session import caller
from mcp_background_job.comfyui.control import ComfyUI
from mcp_background_job.comfyui.reports.report import Report

#: Words of one search, with or without quotation marks around them.
Match = Annotated[str, Parameter(("WORD",), help="Words to look for.")]


def models(*match: Match, kind: str | None = None, as_json: AsJson = False) -> int:
    """Search the models of ComfyUI; without words, list the kinds of models.

    Args:
        *match: Words in the name.
        kind: A folder of models, samplers or schedulers.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = Models(kind=kind, match=" ".join(match))

    async def look(comfyui: ComfyUI) -> int:
        return _write(await Looking(at_hand(comfyui)).comfyui_models(caller(), asked), as_json=as_json)

    return with_comfyui(look)


def nodes(*match: Match, as_json: AsJson = False) -> int:
    """Search the kinds of nodes that ComfyUI has; for an exact name, show its inputs and outputs.

    Args:
        *match: Words in the name, title or category.
        as_json: Print JSON, with the field names of the tools.
    """
    asked = Nodes(match=" ".join(match))

    async def look(comfyui: ComfyUI) -> int:
        return _write(await Looking(at_hand(comfyui)).comfyui_nodes(caller(), asked), as_json=as_json)

    return with_comfyui(look)


def _write(known: Report, *, as_json: bool) -> int:
    if as_json:
        terminal.as_json(known)
        return exit_codes.OK
    for name in (*known.get("kinds", ()), *known.get("models", ())):
        terminal.line(name)
    for name, about in known.get("nodes", {}).items():
        terminal.paragraph(escaped(f"{name}: {about}"), indent="  ")
    if "inputs" in known:
        _write_node(known)
    if "more" in known:
        terminal.say(f"and {known['more']} more: give more words")
    if "nearest" in known:
        terminal.say(f"no name contains that; nearest: {', '.join(known['nearest'])}")
    elif not any(known.values()):
        terminal.say("no name contains that")
    return exit_codes.OK


def _write_node(known: Report) -> None:
    terminal.paragraph(escaped(f"{known['name']}: {known['title']} ({known['category']})"))
    for text in known.get("about", "").splitlines():
        terminal.paragraph(escaped(text))
    for name, takes in known["inputs"].items():
        terminal.paragraph(escaped(f"  {name}: {takes}"), indent="    ")
    terminal.paragraph(escaped(f"  outputs: {', '.join(known['outputs']) or 'none'}"), indent="    ")
