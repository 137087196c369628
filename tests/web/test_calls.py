"""What a page may ask for."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from mcp_background_job.actions.action import Effects
from mcp_background_job.core.news import Reader, Way
from mcp_background_job.jobs.request import StartRequest
from tests.patience import WAIT_S
from tests.web.requests import Browser

SOMEBODY = Reader("somebody@here")


@pytest.fixture
async def browser() -> AsyncGenerator[Browser]:
    one = Browser()
    await one.enter()
    yield one
    await one.close()


async def test_a_page_knows_what_each_action_does_to_the_world(browser: Browser) -> None:
    facts = (await browser.call("about"))["facts"]

    assert facts["read_only"] is False
    assert facts["actions"]["list_jobs"] == "looks"
    assert facts["actions"]["kill_job"] == "ends"


@pytest.mark.parametrize("action", ["execute_command", "spawn_run", "send_agent_message", "__init__", ""])
async def test_a_page_starts_nothing_that_nobody_has_started_before(browser: Browser, action: str) -> None:
    answer = await browser.call(action, command="touch x")

    assert answer["code"] == "invalid_request"
    assert repr(action) in answer["error"]


async def test_an_error_comes_with_its_sentence_and_its_code(browser: Browser) -> None:
    assert (await browser.call("get_job_status", job_id="nobody"))["code"] == "unknown_job"
    assert (await browser.call("get_job_status", job="nobody"))["code"] == "invalid_request"


async def test_what_a_page_is_told_to_do_is_there_to_be_pressed(browser: Browser) -> None:
    answer = await browser.call("tail_job_output", job_id="nobody", lines=0)

    assert answer["error"].endswith("; its log pages through all of it")


async def test_what_only_looks_may_do_nothing_else() -> None:
    browser = Browser(read_only=True)
    await browser.enter()
    effects = set((await browser.call("about"))["facts"]["actions"].values())

    answer = await browser.call("kill_job", job_id="nobody")

    assert effects == {Effects.LOOKS.value}
    assert answer["code"] == "read_only"
    assert (await browser.call("list_jobs"))["facts"]["jobs"] == []
    await browser.close()


@pytest.mark.requirement("page.reads")
async def test_what_a_page_reads_is_news_to_the_others_all_the_same(browser: Browser) -> None:
    manager = browser.manager
    job = (await manager.start(StartRequest(command="obeys", stdin="pipe"))).job
    manager.news.expect(SOMEBODY, [job.job_id])
    await browser.call("interact_with_job", job_id=job.job_id, input="exit 3", wait_s=0)

    shown = await browser.call("wait_for_job", job_id=job.job_id, wait_s=WAIT_S)

    assert shown["facts"]["status"] == "failed"
    assert await manager.news.to_tell(Reader("page"), Way.ANSWER, shown=set()) == []
    (told,) = await manager.news.to_tell(SOMEBODY, Way.ANSWER, shown=set())
    assert job.job_id in told
