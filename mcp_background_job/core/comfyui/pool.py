"""Several ComfyUIs that share batches: which of them takes the next prompt, and what may run on another. Pure.

Each member has a feeder of its own, which takes what waits for the pool. So nobody has to decide for all, and a member
whose feeder dies, or that gives no answer, takes nothing more. A prompt that was sent to a member is that member's: it
runs on another only if it is certain that it never will there, or if somebody takes that upon himself.

    found                                                     what becomes of the prompt
    it waits there, and was taken out, verified               another member may take it
    the process that it was sent to has surely ended          another member may take it
    the member answers, and has never had it, or lost it      another member may take it
    the member gives no answer                                unknown, until it answers or somebody gives it up
    the member refuses it                                     another member may take it; refused by all, it has failed
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

#: How the name of a pool begins. No URL does.
PREFIX = "pool:"

#: What holds a member up that answers, and will end nothing that it runs.
WEDGED = "ComfyUI is wedged"

#: A feeder says so often at least that it is there, and one that has said nothing for so long is not reckoned with: a
#: feeder that starves on a busy machine is slower than one that looks twice a second.
HEARD_S = 5.0
FRESH_S = 15.0


def pool_of(urls: Iterable[str]) -> str:
    """Return the name of the pool of servers with these names; of none, that of servers that come and go."""
    return PREFIX + (" ".join(sorted(urls)) or "nodes")


def is_pool(server: str) -> bool:
    """Tell whether what a batch has for its server is a pool."""
    return server.startswith(PREFIX)


@dataclass(frozen=True, kw_only=True)
class Member:
    """One server of a pool, as its feeder and the journal have it.

    Attributes:
        url: its name.
        hold: in words, why nothing can be sent to it; empty if something can.
        is_paused: nothing is to be sent to it for now.
        heard_at: when its feeder last said that it is there (seconds since the epoch); ``None`` is never.
        queued: prompts of anybody in its queue, when the feeder last looked.
        sent: prompts of ours that were sent to it and have no end that is known.
        has_choice: something waits for the pool that it has not refused.
    """

    url: str
    hold: str = ""
    is_paused: bool = False
    heard_at: float | None = None
    queued: int = 0
    sent: int = 0
    has_choice: bool = True

    @property
    def load(self) -> int:
        """How full it is: what was sent counts at once, what others have there when its feeder has seen it."""
        return max(self.queued, self.sent)

    @property
    def is_wedged(self) -> bool:
        """Whether it answers, and what it runs will not end, as its feeder has found out."""
        return WEDGED in self.hold

    def is_in(self, now: float) -> bool:
        """Tell whether it takes prompts: its feeder is there, and nothing holds it up."""
        is_fed = self.heard_at is not None and now - self.heard_at <= FRESH_S
        return is_fed and not self.hold and not self.is_paused


def may_take(url: str, members: Collection[Member], now: float, *, most: int) -> bool:
    """Tell whether a member may take a prompt now: none that would take one is less full.

    Args:
        url: the member that asks, which has found out that its server answers.
        members: all of its pool.
        now: seconds since the epoch.
        most: how many prompts of ours a member has at once; one that has as many takes none.
    """
    load = next((one.load for one in members if one.url == url), 0)
    others = [one for one in members if one.url != url and one.is_in(now) and one.has_choice and one.sent < most]
    return all(load <= one.load for one in others)


def gives_back(url: str, members: Collection[Member], now: float, pending: Mapping[str, Collection[str]]) -> str | None:
    """Return the prompt that a member should let another have, which has nothing to do; ``None`` if there is none.

    Args:
        url: the member.
        members: all of its pool.
        now: seconds since the epoch.
        pending: prompts that wait at the member, as they would run, each with the members that have refused it.
    """
    if any(one.has_choice for one in members):  # the others have something to do
        return None
    idle = {one.url for one in members if one.url != url and one.is_in(now) and not one.load}
    return next((prompt_id for prompt_id, refused in reversed([*pending.items()]) if idle - set(refused)), None)


def refused_by_all(members: Iterable[Member], refusals: Mapping[str, str]) -> str:
    """Return why no member takes a prompt, member by member; empty as long as one is left that may.

    Args:
        members: all of the pool.
        refusals: reasons by members.
    """
    if any(one.url not in refusals for one in members):
        return ""
    return "; ".join(f"{url}: {reason}" for url, reason in sorted(refusals.items()))


def trouble_of(members: Collection[Member]) -> str:
    """Say which members take nothing, and why; empty if all do."""
    held = [f"{one.url}: {one.hold}" for one in members if one.hold]
    paused = [f"{one.url} is paused" for one in members if one.is_paused and not one.hold]
    if members and len(held) == len(members):
        return f"none of the {len(members)} ComfyUIs takes prompts: {'; '.join(held)}"
    return "; ".join([*held, *paused])
