"""The rule that nobody is told twice of what they have not looked at yet, and that nothing is lost by it."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.server.subscriptions.outbox import Outbox, Updated

THINGS = st.sampled_from("abcd")
#: Something changes, its follower takes a notice, or no longer wants those of something.
STEPS = st.lists(
    st.one_of(st.tuples(st.just("change"), THINGS), st.just(("take", "")), st.tuples(st.just("leave"), THINGS))
)


@given(STEPS)
def test_every_change_is_told_after_it_and_of_each_thing_one_notice_waits_at_most(steps: list[tuple[str, str]]) -> None:
    async def run() -> None:
        outbox, untold = Outbox(), list[str]()
        for step, thing in steps:
            if step == "change":
                outbox.offer(Updated(thing))
                untold += [] if thing in untold else [thing]
            elif step == "leave":
                outbox.withdraw(Updated(thing))
                untold = [one for one in untold if one != thing]
            elif untold:
                # The oldest first: what changes all the time does not keep the others waiting.
                assert await outbox.take() == Updated(untold.pop(0))
            assert len(outbox) == len(untold) <= 4
        taken = [await outbox.take() for _ in list(untold)]
        assert taken == [Updated(thing) for thing in untold]

    asyncio.run(run())


async def test_whoever_takes_from_an_empty_one_waits_for_what_comes() -> None:
    outbox = Outbox()
    outbox.offer(Updated("gone again"))
    outbox.withdraw(Updated("gone again"))
    taking = asyncio.create_task(outbox.take())
    await asyncio.sleep(0)
    assert not taking.done()
    outbox.offer(Updated("x"))
    assert await taking == Updated("x")


async def test_a_uri_that_is_no_text_can_be_told() -> None:
    _, content = await Updated("job://\udcff").notification()
    assert content["uri"].encode()
