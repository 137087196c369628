"""What a monitor is told: ends of jobs and runs and questions, of its project, each once."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from mcp_background_job.cli.hooks.watching import Watcher
from mcp_background_job.core.news import Item, Kind, Reader, Way
from mcp_background_job.jobdir.layout import RUN_ID_VARIABLE
from mcp_background_job.jobs.manager import JobManager
from mcp_background_job.jobs.news import Found
from mcp_background_job.jobs.request import StartRequest

ME = Reader("codex@shop", "this")


class Runs:
    """Runs that say what a test has them say."""

    def __init__(self) -> None:
        self.items: dict[str, Item | None] = {}

    def has(self, subject: str) -> bool:
        return subject.startswith("r")

    async def look(self, subjects: Collection[str]) -> Found:
        return Found({subject: self.items.get(subject) for subject in subjects})


@pytest.fixture
def runs() -> Runs:
    return Runs()


async def start(manager: JobManager, project: str, *, is_own: bool = False, run: str | None = None) -> str:
    env = {RUN_ID_VARIABLE: run} if run else {}
    request = StartRequest(command="obeys", stdin="pipe", project=project, is_own=is_own, env=env)
    return (await manager.start(request)).job.job_id


async def end(manager: JobManager, job_id: str) -> None:
    await manager.send_input(await manager.find(job_id), b"exit 3\n")


async def texts(watcher: Watcher) -> list[str]:
    return [item.text for item in await watcher.new()]


@pytest.mark.parametrize(("project", "told"), [("shop", 1), ("blog", 1), (None, 2), ("nothing", 0)])
async def test_a_monitor_is_told_of_its_project_and_takes_no_news_from_anybody(
    memory_manager: JobManager, runs: Runs, project: str | None, told: int
) -> None:
    watcher = Watcher(memory_manager, runs, project, since=0.0)
    assert await texts(watcher) == []
    jobs = [await start(memory_manager, name) for name in ("shop", "blog")]
    memory_manager.news.expect(ME, jobs)
    for job_id in (*jobs, await start(memory_manager, "shop", is_own=True)):
        await end(memory_manager, job_id)

    assert len(await texts(watcher)) == told
    assert await texts(watcher) == []
    assert len(await memory_manager.news.to_tell(ME, Way.ANSWER)) == 2


async def test_a_run_is_told_as_a_run_with_each_question_once(memory_manager: JobManager, runs: Runs) -> None:
    watcher = Watcher(memory_manager, runs, "shop", since=0.0)
    job_id = await start(memory_manager, "shop", run="rabcd")
    await start(memory_manager, "blog", run="rother")
    for key in ("4", "9"):
        asked = Item(subject="rabcd", kind=Kind.QUESTION, at=1.0, text=f"rabcd `x` asks {key}", key=key)
        runs.items = {"rabcd": asked, "rother": Item(subject="rother", kind=Kind.QUESTION, at=1.0, text="other")}
        assert await texts(watcher) == [f"run rabcd `x` asks {key}"]
        assert await texts(watcher) == []

    await end(memory_manager, job_id)
    runs.items = {}
    assert await texts(watcher) == []  # nobody has read yet what its agent said last
    runs.items["rabcd"] = Item(subject="rabcd", kind=Kind.ENDED, at=2.0, text="rabcd `x` completed")
    assert await texts(watcher) == ["run rabcd `x` completed"]
    assert await texts(watcher) == []
