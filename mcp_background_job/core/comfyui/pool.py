"""Several ComfyUIs that share batches: which takes the next prompt, and which prompts may move to another. Pure.

Each member has a feeder of its own, which takes prompts that wait for the pool. So nothing decides for all members, and
a member takes no more prompts if its feeder dies or its server does not answer. A prompt that was sent to a member
belongs to it. It runs on another only if it certainly never will run there, or if a person decides so.

    found                                                     consequence for the prompt
    it waits there, and was taken out, verified               another member may take it
    the process that it was sent to has surely ended          another member may take it
    the member answers, and has never had it, or lost it      another member may take it
    the member gives no answer                                unknown, until it answers or somebody gives it up
    the member refuses it                                     another member may take it; refused by all, it has failed
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

#: The beginning of a pool's name. No URL begins so.
PREFIX = "pool:"

#: Stands in the ``hold`` of a member whose server answers but does not end the prompt that it runs.
WEDGED = "ComfyUI is wedged"

#: A feeder reports at least every ``HEARD_S`` seconds. A member whose feeder was silent for more than ``FRESH_S`` is
#: left out. The margin is wide, because a feeder reports late on a busy machine.
HEARD_S = 5.0
FRESH_S = 15.0


def pool_of(urls: Iterable[str]) -> str:
    """Return the name of the pool of these servers; without servers, of the pool whose servers come and go."""
    return PREFIX + (" ".join(sorted(urls)) or "nodes")


def is_pool(server: str) -> bool:
    """Tell whether a batch's server is a pool."""
    return server.startswith(PREFIX)


@dataclass(frozen=True, kw_only=True)
class Member:
    """One server of a pool, as its feeder and the journal describe it.

    Attributes:
        url: its name.
        hold: why no prompt can be sent to it, in words; empty if one can.
        is_paused: no prompt is to be sent to it for now.
        heard_at: when its feeder last reported (seconds since the epoch); ``None``: never.
        queued: prompts in its queue, whoever sent them, when the feeder last looked.
        sent: prompts of ours that were sent to it and whose end is not known.
        has_choice: a prompt waits for the pool that this member has not refused.
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
        """How full it is. Prompts of ours count once they are sent, others once its feeder has seen them."""
        return max(self.queued, self.sent)

    @property
    def is_wedged(self) -> bool:
        """Whether its server answers but does not end the prompt that it runs, as its feeder found."""
        return WEDGED in self.hold

    def is_in(self, now: float) -> bool:
        """Tell whether it takes prompts: its feeder reports, and nothing holds it up."""
        is_fed = self.heard_at is not None and now - self.heard_at <= FRESH_S
        return is_fed and not self.hold and not self.is_paused


def may_take(url: str, members: Collection[Member], now: float, *, most: int) -> bool:
    """Tell whether a member may take a prompt now: no other that would take one is less full.

    Args:
        url: the member that asks, whose server is known to answer.
        members: all of its pool.
        now: seconds since the epoch.
        most: how many prompts of ours a member has at once; a member that has as many takes none.
    """
    load = next((one.load for one in members if one.url == url), 0)
    others = [one for one in members if one.url != url and one.is_in(now) and one.has_choice and one.sent < most]
    return all(load <= one.load for one in others)


def gives_back(url: str, members: Collection[Member], now: float, pending: Mapping[str, Collection[str]]) -> str | None:
    """Return a prompt that a member should leave to an idle one; ``None`` if there is none.

    Args:
        url: the member.
        members: all of its pool.
        now: seconds since the epoch.
        pending: prompts that wait at the member, in the order in which they would run, each with the members that
            refused it.
    """
    if any(one.has_choice for one in members):  # the others have something to do
        return None
    idle = {one.url for one in members if one.url != url and one.is_in(now) and not one.load}
    return next((prompt_id for prompt_id, refused in reversed([*pending.items()]) if idle - set(refused)), None)


def refused_by_all(members: Iterable[Member], refusals: Mapping[str, str]) -> str:
    """Return why no member takes a prompt, member by member; empty while a member is left that may take it.

    Args:
        members: all of the pool.
        refusals: the reasons of the members that refused it.
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
