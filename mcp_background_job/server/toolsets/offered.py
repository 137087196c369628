"""The toolsets that a server offers now, and the readers that are told when there are more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from mcp_background_job.config import AUTO, TOOLSETS, Toolset
from mcp_background_job.executors import lanes
from mcp_background_job.server.toolsets.rule import Facts, choices

#: Begins the line that says that there are more.
_TITLES = {"comfyui": "ComfyUI tools", "runs": "Tools for other agents"}

#: Tools that this line names.
_NAMED = 3


class Offered:
    """The toolsets that a server offers. With ``auto``, more may be added later; none is ever removed.

    Attributes:
        toolsets: these, in their order. The list stays the same object, and grows.
        whenever_more: is called each time that there are more.
    """

    def __init__(self, said: list[Toolset] | Literal["auto"], look: Callable[[], Facts]) -> None:
        """Takes what the setting says, and what looks at the machine, which may block. With ``auto`` it is looked."""
        self._look = look
        self._why: dict[Toolset, str] = {}
        self._told: dict[str, set[Toolset]] = {}
        self.whenever_more: list[Callable[[], None]] = []
        chosen = choices(look()) if said == AUTO else []
        self._unused = {choice.toolset for choice in chosen if not choice.is_offered}
        self.toolsets: list[Toolset] = (
            [choice.toolset for choice in chosen if choice.is_offered] if said == AUTO else list(said)
        )

    @property
    def may_grow(self) -> bool:
        """Whether there may come to be more."""
        return bool(self._unused)

    async def look_again(self) -> None:
        """See whether more toolsets are of use now."""
        if not self.may_grow:
            return
        new = [
            choice
            for choice in choices(await lanes.look(self._look))
            if choice.is_offered and choice.toolset in self._unused
        ]
        if not new:
            return
        self._why |= {choice.toolset: choice.why for choice in new}
        self._unused -= self._why.keys()
        self.toolsets[:] = [toolset for toolset in TOOLSETS if toolset in {*self.toolsets, *self._why}]
        for tell in self.whenever_more:
            tell()

    def to_tell(self, reader: str, names: Callable[[Toolset], Iterable[str]]) -> str | None:
        """Return a line on what there is more of than there was at first, for a reader that was not told of it.

        Args:
            reader: who reads the line.
            names: returns the names of a toolset's tools.
        """
        told = self._told.setdefault(reader, set()) if self._why else set[Toolset]()
        new: list[Toolset] = [toolset for toolset in TOOLSETS if toolset in self._why.keys() - told]
        told.update(new)
        return " ".join(_line(toolset, list(names(toolset)), self._why[toolset]) for toolset in new) or None


def _line(toolset: Toolset, names: list[str], why: str) -> str:
    more = len(names) - _NAMED
    return f"{_TITLES[toolset]} are available now: {', '.join(names[:_NAMED])} and {more} more ({why})."
