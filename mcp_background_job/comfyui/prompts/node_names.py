"""What nodes are called: people know a node by its title, and by its kind, not by its number."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from mcp_background_job.comfyui.prompts.prompts import Prompts
from mcp_background_job.core.text import one_line
from mcp_background_job.errors import BackgroundJobError

#: Prompts of which the names are kept: what a page shows at once, and more.
_KEPT = 500

#: Characters of a title.
_TITLE = 80

#: The key under which the editor writes what only people read.
_OF_PEOPLE = "_meta"


@dataclass(frozen=True)
class NodeName:
    """What a node is called; the title is empty where nobody has given it one, or where it says no more."""

    kind: str
    title: str = ""

    @property
    def told(self) -> str:
        """The one that people know it by."""
        return self.title or self.kind


NAMELESS = NodeName("")


def names_of(graph: Mapping[str, Any]) -> dict[str, NodeName]:
    """Return what the nodes of a graph are called, by their ids."""
    return {
        node_id: _name_of(cast("dict[str, Any]", node)) for node_id, node in graph.items() if isinstance(node, dict)
    }


def _name_of(node: Mapping[str, Any]) -> NodeName:
    kind, people = one_line(str(node.get("class_type") or ""), _TITLE), node.get(_OF_PEOPLE)
    title = cast("dict[str, Any]", people).get("title") if isinstance(people, dict) else None
    told = one_line(str(title), _TITLE) if isinstance(title, str) else ""
    return NodeName(kind, told if told != kind else "")


def name_of(names: Mapping[str, NodeName], node_id: str) -> NodeName:
    """Return what a node is called; the id of one that another expanded into begins with that one's."""
    return names.get(node_id) or names.get(node_id.split(".", maxsplit=1)[0]) or NAMELESS


class NodeNames:
    """The names in the graphs of prompts, which never change."""

    def __init__(self, prompts: Prompts) -> None:
        """Takes what knows the graphs."""
        self._prompts = prompts
        self._known: OrderedDict[str, dict[str, NodeName]] = OrderedDict()

    async def of(self, prompt_id: str) -> Mapping[str, NodeName]:
        """Return the names in the graph of a prompt; none where nobody has the graph."""
        if prompt_id not in self._known:
            try:
                names = names_of((await self._prompts.asked(prompt_id)).graph)
            except BackgroundJobError:  # the server is gone, or has forgotten it; numbers say enough then
                return {}
            self._known[prompt_id] = names
        self._known.move_to_end(prompt_id)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return self._known.get(prompt_id, {})
