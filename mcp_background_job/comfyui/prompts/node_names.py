"""The names of nodes: people know a node by its title, and by its type, not by its number."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from mcp_background_job.comfyui.prompts.prompts import Prompts
from mcp_background_job.core.text import one_line
from mcp_background_job.errors import BackgroundJobError

#: The most prompts whose names are kept: more than a page shows at once.
_KEPT = 500

#: Characters of a title.
_TITLE = 80

#: The key under which the editor keeps data for people.
_OF_PEOPLE = "_meta"


@dataclass(frozen=True)
class NodeName:
    """The name of a node; the title is empty if nobody has given one, or if it adds nothing."""

    kind: str
    title: str = ""

    @property
    def told(self) -> str:
        """The name by which people know the node."""
        return self.title or self.kind


NAMELESS = NodeName("")


def names_of(graph: Mapping[str, Any]) -> dict[str, NodeName]:
    """Return the names of the nodes of a graph, by their ids."""
    return {
        node_id: _name_of(cast("dict[str, Any]", node)) for node_id, node in graph.items() if isinstance(node, dict)
    }


def _name_of(node: Mapping[str, Any]) -> NodeName:
    kind, people = one_line(str(node.get("class_type") or ""), _TITLE), node.get(_OF_PEOPLE)
    title = cast("dict[str, Any]", people).get("title") if isinstance(people, dict) else None
    told = one_line(str(title), _TITLE) if isinstance(title, str) else ""
    return NodeName(kind, told if told != kind else "")


def name_of(names: Mapping[str, NodeName], node_id: str) -> NodeName:
    """Return the name of a node; if a node expands into others, their ids begin with its own."""
    return names.get(node_id) or names.get(node_id.split(".", maxsplit=1)[0]) or NAMELESS


class NodeNames:
    """The names in the graphs of prompts, which never change."""

    def __init__(self, prompts: Prompts) -> None:
        """Takes the prompts, which have the graphs."""
        self._prompts = prompts
        self._known: OrderedDict[str, dict[str, NodeName]] = OrderedDict()

    async def of(self, prompt_id: str) -> Mapping[str, NodeName]:
        """Return the names in the graph of a prompt; none if the graph is unknown."""
        if prompt_id not in self._known:
            try:
                names = names_of((await self._prompts.asked(prompt_id)).graph)
            except BackgroundJobError:  # the server is gone, or has forgotten the prompt; numbers are enough then
                return {}
            self._known[prompt_id] = names
        self._known.move_to_end(prompt_id)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return self._known.get(prompt_id, {})
