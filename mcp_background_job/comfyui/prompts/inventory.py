"""The inventory of a server: models, samplers, schedulers, node types. It is searched: all would fill an answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mcp_background_job.comfyui.prompts.diagnosis import Missing, is_model
from mcp_background_job.comfyui.wire.client import Client
from mcp_background_job.comfyui.wire.node_types import NodeType, NodeTypes
from mcp_background_job.core.nearest import nearest
from mcp_background_job.errors import InvalidRequestError, UnreachableError

#: Kinds that are no folders but choices of an input of the node that every render has.
_CHOICES = {"samplers": "sampler_name", "schedulers": "scheduler"}
_SAMPLER = "KSampler"


@dataclass(frozen=True)
class Found:
    """The result of a search: some of all matches; and similar names if there are none."""

    names: tuple[str, ...]
    more: int = 0
    near: tuple[str, ...] = ()


@dataclass(frozen=True)
class Nodes:
    """The node types that a search found."""

    kinds: tuple[NodeType, ...]
    more: int = 0
    near: tuple[str, ...] = ()


@dataclass(frozen=True)
class Near:
    """Similar names that exist, by the missing names."""

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


class Inventory:
    """The inventory of one server."""

    def __init__(self, client: Client) -> None:
        """Takes the client of the server."""
        self._client = client

    async def kinds(self) -> tuple[str, ...]:
        """Return the kinds that can be searched: folders of models, and samplers and schedulers.

        Raises:
            UnreachableError: the server does not answer; all methods except ``near`` may raise this.
        """
        return (*await self._client.model_folders(), *_CHOICES)

    async def models(self, kind: str | None, match: str, limit: int) -> Found:
        """Return the models of a kind, or of all with the folder in front, whose names have each of the words.

        Raises:
            InvalidRequestError: the server has no such kind.
        """
        kinds = await self.kinds()
        if kind is not None and kind not in kinds:
            raise InvalidRequestError(f"kind {kind!r}: this server has {', '.join(kinds)}")
        names = (
            await self._of_kind(kind)
            if kind
            else [f"{one}/{name}" for one in kinds if one not in _CHOICES for name in await self._client.models(one)]
        )
        found = [name for name in names if has_words(match, name)]
        near = () if found or not match else tuple(nearest(match, names))
        return Found(tuple(found[:limit]), max(0, len(found) - limit), near)

    async def _of_kind(self, kind: str) -> list[str]:
        if kind not in _CHOICES:
            return await self._client.models(kind)
        sampler = (await self._client.node_types(_SAMPLER)).get(_SAMPLER)
        inputs = sampler.inputs if sampler else ()
        return [str(choice) for one in inputs if one.name == _CHOICES[kind] for choice in one.choices]

    async def nodes(self, match: str, limit: int) -> Nodes:
        """Return the node types with each of the words in name, title or category; the best names first."""
        types = await self._client.node_types()
        found = [
            kind
            for kind in map(types.get, types)
            if kind and has_words(match, f"{kind.name} {kind.display_name} {kind.category}")
        ]
        wanted = match.lower()
        found.sort(key=lambda kind: (kind.name.lower() != wanted, not kind.name.lower().startswith(wanted)))
        near = () if found else tuple(nearest(match, types))
        return Nodes(tuple(found[:limit]), max(0, len(found) - limit), near)

    async def near(self, missing: Missing) -> Near:
        """Return names similar to the missing ones; none if the server does not list its own."""
        if not missing.models and not missing.nodes:
            return Near()
        try:
            types = await self._client.node_types()
        except UnreachableError:  # the missing names are known all the same
            return Near()
        return near_in(types, missing)


def near_in(types: NodeTypes, missing: Missing) -> Near:
    """Return names similar to the missing ones, among the node types and the models that these accept."""
    models = list(dict.fromkeys(_models(types))) if missing.models else []
    near = {name: tuple(nearest(name, types)) for name in missing.nodes}
    near |= {name: tuple(nearest(name, models)) for name in missing.models}
    return Near({name: names for name, names in near.items() if names})


def _models(types: NodeTypes) -> Iterable[str]:
    for kind in map(types.get, types):
        for one in kind.inputs if kind else ():
            yield from (choice for choice in one.choices if isinstance(choice, str) and is_model(choice))


def has_words(match: str, text: str) -> bool:
    """Tell whether a text has each of some words, in upper or lower case."""
    return all(word in text.lower() for word in match.lower().split())
