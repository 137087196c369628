"""The tab of jobs: what it shows, and what its keys do."""

from __future__ import annotations

import pytest

from mcp_background_job.core.states import Outcome
from mcp_background_job.jobdir.usage import Sample
from mcp_background_job.jobs.manager import JobManager
from tests.cli.top.conftest import Open, Start, TestDesk


async def test_the_list_has_running_jobs_first_with_what_each_said_last(opened: Open, start: Start) -> None:
    _, failed = await start("broken")
    failed.end(Outcome.FAILED, exit_code=3)
    _, running = await start("training")
    running.say(b"epoch 1\nepoch 2\n")
    running.samples += [Sample(1, at, at, at / 2, 5_000_000, 5_000_000, 0, 0, 0) for at in (1.0, 2.0)]
    async with opened() as shown:
        await shown.sees(r"running +\w+ training .*50 % +5\.0 MB .*epoch 2[^$]*failed +\w+ broken .*exit 3")
        running.say(b"epoch 3\n")
        await shown.sees(r"training .*epoch 3")


async def test_a_job_that_is_started_or_ends_meanwhile_is_seen(opened: Open, start: Start) -> None:
    async with opened() as shown:
        await shown.sees("no jobs")
        _, job = await start("late")
        await shown.sees("running .*late")
        job.end(Outcome.COMPLETED, exit_code=0)
        await shown.sees("completed .*late")


async def test_the_cursor_stays_on_its_job_when_another_comes_above_it(opened: Open, start: Start) -> None:
    await start("first")
    async with opened() as shown:
        await shown.sees("running .*first")
        await start("second")
        await shown.sees("running .*second")
        assert shown.app.tab.row is not None
        assert shown.app.tab.row["name"] == "first"


async def test_the_log_of_the_job_that_is_meant_is_followed_until_one_looks_back(opened: Open, start: Start) -> None:
    _, job = await start("noisy")
    async with opened() as shown:
        job.say(b"".join(b"line %d\n" % number for number in range(100)))
        await shown.sees("line 99")
        await shown.press("tab", "pageup")
        await shown.sees("looking back")
        job.say(b"news\n")
        await shown.sees(r"noisy .*news")  # in the list
        assert shown.text.count("news") == 1
        await shown.press("end")
        await shown.sees(r"line 99 .*\n *news")


async def test_one_looks_back_to_the_very_beginning_of_a_log_and_reads_on(opened: Open, start: Start) -> None:
    _, job = await start("long")
    job.say(b"".join(b"line %d\n" % number for number in range(30_000)))
    async with opened(height=60) as shown:
        await shown.sees("line 29999")
        await shown.press("enter", "home")
        await shown.sees(r"line 0 .*\n *line 1 ")
        for _ in range(10):  # more than were read at once
            await shown.press("pagedown")
        await shown.sees("line 5[0-9][0-9] ")


@pytest.mark.parametrize(("words", "found"), [("needle 7$", "needle 7 *\n"), ("NEEDLE", "NEEDLE x"), ("xneedlex", "")])
async def test_a_search_finds_what_is_not_at_hand(opened: Open, start: Start, words: str, found: str) -> None:
    _, job = await start("hay")
    hay = b"".join(b"hay %d\n" % number for number in range(20_000))
    job.say(b"needle 7\n" + hay + b"NEEDLE x\n" + hay)
    async with opened() as shown:
        await shown.sees("hay 19999")
        await shown.press("tab", "slash")
        await shown.types(words)
        await shown.press("enter")
        if not found:
            await shown.said("xneedlex was not found above")
            return
        await shown.sees(f"\n{found}")


async def test_a_search_goes_on_to_the_next_line_and_to_the_one_before(opened: Open, start: Start) -> None:
    _, job = await start("hay")
    hay = b"hay\n" * 3 + b"other\n" * 3
    job.say(b"".join(b"needle %d\n" % number + hay * 500 for number in range(3)))
    async with opened(height=20) as shown:
        await shown.sees("other")
        await shown.press("tab", "slash")
        await shown.types("needle")
        await shown.press("enter")
        for key, line in (("N", "needle 1"), ("N", "needle 0"), ("n", "needle 1"), ("n", "needle 2")):
            await shown.sees("needle")
            await shown.press(key)
            await shown.sees(line)


async def test_an_expression_that_is_none_is_told(opened: Open, start: Start) -> None:
    await start("any")
    async with opened() as shown:
        await shown.sees("running")
        await shown.press("tab", "slash", "(", "enter")
        await shown.said("not a regular expression")


async def test_the_list_is_filtered_by_words_and_by_statuses(opened: Open, start: Start) -> None:
    _, ended = await start("alpha")
    ended.end(Outcome.COMPLETED, exit_code=0)
    await start("alphabet")
    await start("beta")
    async with opened() as shown:
        await shown.sees("beta")
        await shown.press("slash")
        await shown.types("alpha completed")
        await shown.press("enter")
        await shown.no_longer_sees("beta|alphabet")
        await shown.sees("completed .*alpha")
        await shown.press("slash", "ctrl+u", "enter")
        await shown.sees("beta")


@pytest.mark.parametrize(("answer", "status"), [("n", "running"), ("escape", "running"), ("y", "killed")])
async def test_a_job_is_killed_once_a_person_has_said_so(
    opened: Open, start: Start, memory_manager: JobManager, answer: str, status: str
) -> None:
    job, _ = await start("victim")
    async with opened() as shown:
        await shown.sees("running .*victim")
        await shown.press("k")
        await shown.is_asked("Kill .*victim and all that it started")
        await shown.press(answer)
        await shown.no_longer_sees("Kill .*victim")
        await shown.sees(f"{status} .*victim")
    assert (await memory_manager.find(job.job_id)).status == status


async def test_a_key_that_does_nothing_now_says_why(opened: Open, start: Start) -> None:
    _, job = await start("over")
    job.end(Outcome.COMPLETED, exit_code=0)
    async with opened() as shown:
        await shown.sees("completed")
        await shown.press("k")
        await shown.said("kill: it has ended")


async def test_a_job_is_started_again(opened: Open, start: Start) -> None:
    job, ran = await start("again")
    ran.end(Outcome.FAILED, exit_code=1)
    async with opened() as shown:
        await shown.sees("failed .*again")
        await shown.press("r")
        await shown.is_asked("Run again .*again")
        await shown.press("y")
        await shown.sees(r"running .*again[^$]*failed .*again")
    assert job.job_id


async def test_a_job_is_given_lines_and_the_end_of_its_input(opened: Open, start: Start) -> None:
    await start("listener")
    async with opened() as shown:
        await shown.sees("running .*listener")
        await shown.press("i")
        await shown.is_asked("A line for .*listener")
        await shown.types("say hello there")
        await shown.press("enter")
        await shown.sees("listener .*hello there")
        await shown.press("i")
        await shown.is_asked("A line for .*listener")
        await shown.press("ctrl+d")
        await shown.sees("completed .*listener")


async def test_a_signal_is_chosen_and_sent_to_those_who_handle_it(opened: Open, start: Start, desk: TestDesk) -> None:
    job, _ = await start("reload")
    desk.answers["kill_job"] = {"job_id": job.job_id, "status": "signalled", "processes": [71, 72]}
    async with opened() as shown:
        await shown.sees("running .*reload")
        await shown.press("s")
        await shown.is_asked("HUP +reload")
        await shown.press("down", "enter")
        await shown.said(f"{job.job_id} signalled to 71, 72")
    assert desk.calls("kill_job") == [{"job_id": job.job_id, "signal": "INT", "signal_only": True}]


async def test_a_failure_is_gone_to(opened: Open, start: Start) -> None:
    _, job = await start("broken")
    job.say(b"".join(b"fine %d\n" % number for number in range(300)))
    job.say(b"Traceback (most recent call last):\nValueError: wrong\n")
    job.say(b"".join(b"cleaning %d\n" % number for number in range(300)))
    job.end(Outcome.FAILED, exit_code=1)
    async with opened() as shown:
        await shown.sees("cleaning 299")
        await shown.press("f")
        await shown.sees(r"Traceback .*\n *ValueError: wrong")


async def test_the_log_takes_the_whole_window_and_gives_it_back(opened: Open, start: Start) -> None:
    _, job = await start("wide")
    job.say(b"".join(b"line %d\n" % number for number in range(60)))
    async with opened() as shown:
        await shown.sees("STATUS")
        await shown.press("enter")
        await shown.no_longer_sees("STATUS")
        await shown.sees("line 40 [^$]*line 59")
        await shown.press("escape")
        await shown.sees("STATUS")


async def test_all_keys_are_told(opened: Open) -> None:
    async with opened() as shown:
        await shown.press("question_mark")
        await shown.sees("stop the job and all that it started")
        await shown.press("q")
        await shown.no_longer_sees("stop the job and all that it started")


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_it_is_left(opened: Open, key: str) -> None:
    async with opened() as shown:
        await shown.press(key)
        await shown.is_left()
