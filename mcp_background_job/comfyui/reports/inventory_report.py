"""The report on a server's inventory."""

from __future__ import annotations

from typing import Any

from mcp_background_job.comfyui.prompts.inventory import Found, Near, Nodes
from mcp_background_job.comfyui.reports.report import Report, without_none
from mcp_background_job.comfyui.wire.node_types import Input, NodeType
from mcp_background_job.core.text import one_line

#: The most choices of an input that are shown.
_CHOICES = 12

#: Characters of a node's description.
_ABOUT = 200


def of_models(found: Found) -> Report:
    """Return the models that were found."""
    return without_none(models=list(found.names), more=found.more or None, nearest=list(found.near) or None)


def of_nodes(found: Nodes) -> Report:
    """Return the node types that were found: names with titles and categories."""
    rows = {kind.name: f"{kind.display_name} ({kind.category})" for kind in found.kinds}
    return without_none(nodes=rows, more=found.more or None, nearest=list(found.near) or None)


def of_node(kind: NodeType) -> Report:
    """Return everything that is needed to use a node type."""
    return without_none(
        name=kind.name,
        title=kind.display_name,
        category=kind.category,
        about=one_line(kind.description, _ABOUT) or None,
        inputs={one.name: _input(one) for one in kind.inputs},
        outputs=[name if name == given else f"{name}: {given}" for name, given in kind.outputs],
        is_output=kind.is_output or None,
    )


def _input(one: Input) -> str:
    """Return in one line what an input accepts."""
    if one.choices:
        shown = ", ".join(map(str, one.choices[:_CHOICES]))
        more = f" and {len(one.choices) - _CHOICES} more" if len(one.choices) > _CHOICES else ""
        takes = f"one of {shown}{more}"
    else:
        takes = one.type
    limits = [f"{word} {one.config[key]}" for key, word in (("min", "from"), ("max", "to")) if key in one.config]
    default: Any = one.config.get("default")
    told = [takes, *limits, *([f"default {one_line(str(default), _ABOUT)}"] if default not in (None, "") else [])]
    return ", ".join([*told, *(["optional"] if one.is_optional else [])])


def of_near(near: Near) -> Report:
    """Return existing names similar to the missing ones."""
    return {"nearest": {name: list(names) for name, names in near.names.items()}} if near.names else {}
