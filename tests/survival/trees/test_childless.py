"""Whether a runner has children left, while they die and leave it theirs."""

from __future__ import annotations

import pytest

from mcp_background_job.jobdir import runners
from mcp_background_job.jobdir.layout import JobDir
from mcp_background_job.jobdir.records import LeaderExit
from mcp_background_job.kernel import tree
from mcp_background_job.kernel.tree import Process
from mcp_background_job.runner.family import family as families
from mcp_background_job.runner.family.family import Family

_DEAD = Process(pid=2**22, parent=1, session=0, state="Z", start=0)
_ALIVE = _DEAD._replace(state="S")
_RUNNER = _ALIVE._replace(name=runners.name_of_runner("jother"))


@pytest.mark.requirement("kill.forking")
@pytest.mark.parametrize(
    ("listed", "childless"),
    [([_DEAD], False), ([_RUNNER, _DEAD], False), ([_RUNNER], True), ([_ALIVE], False)],
)
def test_one_that_died_while_it_was_listed_may_have_left_more(
    monkeypatch: pytest.MonkeyPatch, listed: list[Process], *, childless: bool
) -> None:
    monkeypatch.setattr(families, "_collect", lambda: (0, 0, ""))  # there are children, and none was dead a moment ago

    def children(_pid: int) -> list[Process]:
        return listed

    def job_of(_pid: int) -> JobDir:
        return JobDir("/state/jobs/jother")

    monkeypatch.setattr(tree, "children", children)
    monkeypatch.setattr(runners, "job_of", job_of)
    family = Family(2**22, ["true"], "cookie", has_subreaper=True)
    family.leader_exit = LeaderExit(at=1.0, exit_code=0, signal=None)

    family.reap()

    assert family.childless is childless
