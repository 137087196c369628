"""What an index of jobs promises, asked of both kinds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.job import ANY, NEWEST, Job, JobChoice
from mcp_background_job.core.run import RunChoice, RunRow
from mcp_background_job.core.states import STATUSES, TRANSITIONS, Outcome, State, may_follow
from mcp_background_job.registry.base import Registry
from mcp_background_job.registry.memory import MemoryRegistry
from mcp_background_job.registry.sqlite import SqliteRegistry


@pytest.fixture(params=["memory", "sqlite"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Registry]:
    registry: Registry = (
        MemoryRegistry() if request.param == "memory" else SqliteRegistry(str(tmp_path / "jobs.sqlite3"))
    )
    yield registry
    registry.close()


def a_job(job_id: str, **values: Any) -> Job:
    values = {"command": f"run {job_id}", "cwd": "/", "created_at": 1.0, "state": State.QUEUED, **values}
    return Job(job_id=job_id, **values)


def ended(job_id: str, **values: Any) -> Job:
    return a_job(job_id, **{"state": State.EXITED, "outcome": Outcome.COMPLETED, "ended_at": 2.0, **values})


def ids_of(registry: Registry) -> set[str]:
    return set(registry.ids(limit=1000))


def ids(jobs: list[Job]) -> list[str]:
    return [job.job_id for job in jobs]


# -- put and get -------------------------------------------------------------------------------------------------------


def test_an_empty_index_knows_no_job(registry: Registry) -> None:
    assert registry.get("jone") is None
    assert registry.newest_named("train", "") is None
    assert registry.page(ANY, limit=10, offset=0) == []
    assert registry.unended() == []
    assert registry.count() == 0
    assert registry.ended_before(1e12, limit=10) == []


@pytest.mark.parametrize(
    "job",
    [
        a_job("jone"),
        a_job("jone", name="train", client="claude", state=State.RUNNING, started_at=1.25),
        ended("jone", outcome=Outcome.FAILED, exit_code=255, reason="exit code 255", started_at=1.5, ended_at=1.75),
        ended("jone", outcome=Outcome.KILLED, signal="SIGTERM", exit_code=None, reason="asked to"),
        ended("jone", outcome=Outcome.LOST, exit_code=None, ended_at=None),
        a_job("jone", command="echo 'a\nb' \"c\" ; \N{GRINNING FACE} \0", cwd="/tmp/with space"),
    ],
)
def test_a_job_comes_back_as_it_was_put(registry: Registry, job: Job) -> None:
    registry.put([job])

    assert registry.get("jone") == job
    assert ids_of(registry) == {"jone"}


def test_projects_are_counted_and_none_is_no_project(registry: Registry) -> None:
    assert registry.projects() == {}
    registry.put([a_job("jone", project="/a"), ended("jtwo", project="b"), a_job("jsix", project="/a"), a_job("jnil")])
    assert registry.projects() == {"/a": 2, "b": 1}


@pytest.mark.parametrize("field", ["command", "cwd", "client", "reason"])
def test_a_job_with_bytes_that_are_no_text_does_not_keep_others_out(registry: Registry, field: str) -> None:
    # Arguments, paths and environments are bytes; those that are no UTF-8 come into Python as lone surrogates.
    registry.put([a_job("jone"), a_job("jodd", **{field: "caf\udce9"}), a_job("jtwo")])

    assert ids_of(registry) == {"jone", "jodd", "jtwo"}
    odd = registry.get("jodd")
    assert odd is not None
    assert "caf" in getattr(odd, field)


def test_putting_nothing_changes_nothing(registry: Registry) -> None:
    registry.put([])

    assert registry.count() == 0


def test_putting_a_job_again_brings_it_up_to_date(registry: Registry) -> None:
    registry.put([a_job("jone"), a_job("jtwo")])
    now = ended("jone", outcome=Outcome.FAILED, exit_code=1, reason="exit code 1", started_at=1.0)
    registry.put([now])

    assert registry.get("jone") == now
    assert registry.get("jtwo") == a_job("jtwo")


def test_a_later_fact_of_the_same_state_is_kept(registry: Registry) -> None:
    registry.put([ended("jone", outcome=Outcome.LOST, ended_at=1.0)])
    registry.put([ended("jone", outcome=Outcome.KILLED, ended_at=3.0)])

    assert registry.get("jone") == ended("jone", outcome=Outcome.KILLED, ended_at=3.0)


@pytest.mark.parametrize("new", State)
@pytest.mark.parametrize("old", State)
def test_a_job_never_goes_back_in_its_life(registry: Registry, old: State, new: State) -> None:
    before, after = a_job("jone", state=old, reason="before"), a_job("jone", state=new, reason="after")
    registry.put([before])
    registry.put([after])

    assert registry.get("jone") == (after if may_follow(old, new) else before)
    assert may_follow(old, new) == (new is old or new in TRANSITIONS[old])


def test_of_two_reports_in_one_go_the_later_one_counts_unless_it_goes_back(registry: Registry) -> None:
    registry.put([a_job("jone", state=State.RUNNING), ended("jone"), a_job("jone", state=State.STARTING)])

    assert registry.get("jone") == ended("jone")


# -- names -------------------------------------------------------------------------------------------------------------


def test_a_name_means_the_job_that_got_it_last(registry: Registry) -> None:
    registry.put([a_job("jb", name="train", created_at=2.0), a_job("ja", name="train", created_at=1.0)])
    registry.put([a_job("jc", name="other", created_at=3.0), a_job("jd", created_at=4.0)])

    found = registry.newest_named("train", "")
    assert found is not None
    assert found.job_id == "jb"
    assert registry.newest_named("TRAIN", "") is None
    assert registry.newest_named("trai%", "") is None


def test_of_two_jobs_of_one_moment_with_one_name_one_is_always_meant(registry: Registry) -> None:
    registry.put([a_job("ja", name="train"), a_job("jb", name="train")])

    found = registry.newest_named("train", "")
    assert found is not None
    assert found.job_id == "jb"


def test_a_name_is_one_of_each_project(registry: Registry) -> None:
    registry.put([a_job("ja", name="dev", project="/a", created_at=1.0), a_job("jb", name="dev", project="/b")])
    registry.put([a_job("jc", name="dev", project="/a", created_at=3.0), a_job("jd", name="dev", created_at=2.0)])
    registry.put([a_job("je", name="other", project="/c", created_at=9.0)])

    assert ids(registry.named("dev")) == ["jd", "jc", "jb"]
    assert [registry.newest_named("dev", project) for project in ("/b", "/c")] == [registry.get("jb"), None]
    assert registry.newest_named("dev", "/a") == registry.get("jc")
    assert registry.named("nobody") == []


# -- pages -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def seven(registry: Registry) -> Registry:
    registry.put(
        [
            a_job("jqueued", created_at=1.0),
            a_job("jstart", created_at=2.0, state=State.STARTING, name="web"),
            a_job("jrun", created_at=3.0, state=State.RUNNING, name="web"),
            ended("jdone", created_at=4.0, name="web"),
            ended("jfail", created_at=5.0, outcome=Outcome.FAILED),
            ended("jlost", created_at=6.0, outcome=Outcome.LOST),
            ended("jkill", created_at=6.0, outcome=Outcome.KILLED),
        ]
    )
    return registry


@pytest.mark.parametrize(
    ("statuses", "name", "found"),
    [
        ((), None, ["jrun", "jstart", "jqueued", "jlost", "jkill", "jfail", "jdone"]),
        (("running",), None, ["jrun", "jstart"]),
        (("queued",), None, ["jqueued"]),
        (("failed", "lost"), None, ["jlost", "jfail"]),
        (("completed", "killed"), None, ["jkill", "jdone"]),
        (("timed_out",), None, []),
        ((), "web", ["jrun", "jstart", "jdone"]),
        (("running",), "web", ["jrun", "jstart"]),
        ((), "nobody", []),
    ],
)
def test_a_list_has_what_was_asked_for_live_ones_first_and_then_newest_first(
    seven: Registry, statuses: tuple[str, ...], name: str | None, found: list[str]
) -> None:
    assert ids(seven.page(JobChoice(statuses=statuses, name=name), limit=100, offset=0)) == found


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        (JobChoice(text="RUN JF"), ["jfail"]),
        (JobChoice(text="web"), ["jrun", "jstart", "jdone"]),
        (JobChoice(text="100 %_"), []),
        (JobChoice(text="o", statuses=("completed",)), ["jdone"]),
        (JobChoice(before=(3.0, "jrun")), ["jstart", "jqueued"]),
        (JobChoice(since=(5.0, "jfail")), ["jlost", "jkill", "jfail"]),
        (JobChoice(since=(2.0, "jstart"), before=(6.0, "jkill"), text="j"), ["jrun", "jstart", "jfail", "jdone"]),
        (JobChoice(text="run j", before=(6.0, "jl")), ["jrun", "jstart", "jqueued", "jkill", "jfail", "jdone"]),
    ],
)
def test_a_list_is_narrowed_by_words_and_by_place(seven: Registry, choice: JobChoice, found: list[str]) -> None:
    assert ids(seven.page(choice, limit=100, offset=0)) == found
    assert seven.counts(choice).meant == len(found)


@pytest.mark.parametrize(
    ("age", "number", "behind"),
    [
        (NEWEST, 1, (6.0, "jlost")),
        (NEWEST, 7, (1.0, "jqueued")),
        (NEWEST, 8, None),
        ((6.0, "jlost"), 2, (5.0, "jfail")),
        ((1.0, "jqueued"), 1, None),
        ((1.0, "z\udcff"), 1, (1.0, "jqueued")),  # from a cursor that somebody made up
    ],
)
def test_jobs_are_counted_off_by_age(
    seven: Registry, age: tuple[float, str], number: int, behind: tuple[float, str] | None
) -> None:
    assert seven.behind(age, number) == behind


def test_children_are_those_that_name_a_parent_oldest_first(seven: Registry) -> None:
    seven.put([a_job("jb", created_at=9.0, parent="jrun"), ended("ja", created_at=8.0, parent="jdone")])

    assert ids(seven.children(["jrun", "jdone", "jnobody"], limit=9)) == ["ja", "jb"]
    assert ids(seven.children(["jrun", "jdone"], limit=1)) == ["ja"]
    assert seven.children(["jb"], limit=9) == []


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_pages_put_together_are_the_list(seven: Registry, size: int) -> None:
    whole = seven.page(ANY, limit=100, offset=0)
    pages = [seven.page(ANY, limit=size, offset=offset) for offset in range(0, 10, size)]

    assert [job for page in pages for job in page] == whole
    assert all(len(page) <= size for page in pages)


def test_unended_jobs_come_oldest_first(seven: Registry) -> None:
    assert ids(seven.unended()) == ["jqueued", "jstart", "jrun"]


# -- endings -----------------------------------------------------------------------------------------------------------


def test_only_jobs_that_ended_before_the_moment_are_old(registry: Registry) -> None:
    registry.put([ended("ja", ended_at=1.0), ended("jb", ended_at=2.0), ended("jc", ended_at=3.0), a_job("jd")])

    assert registry.ended_before(2.0, limit=10) == ["ja"]
    assert registry.ended_before(2.5, limit=10) == ["ja", "jb"]


def test_a_forgotten_job_is_gone_and_comes_back_as_new(registry: Registry) -> None:
    registry.put([ended("ja", client="me", name="train"), a_job("jb")])
    registry.forget(["ja", "jnobody"])

    assert registry.get("ja") is None
    assert registry.newest_named("train", "") is None
    assert ids_of(registry) == {"jb"}
    registry.put([a_job("ja", client="me")])
    assert registry.get("ja") == a_job("ja", client="me"), "nothing is left of its life"


# -- passes and origins ------------------------------------------------------------------------------------------------


def test_ids_come_in_pieces_that_put_together_are_all(registry: Registry) -> None:
    registry.put([a_job(job_id) for job_id in ("jb", "jd", "ja", "je", "jc")])

    assert registry.ids(limit=2) == ["ja", "jb"]
    assert registry.ids(after="jb", limit=2) == ["jc", "jd"]
    assert registry.ids(after="jca", limit=9) == ["jd", "je"]
    assert registry.ids(after="je", limit=2) == []
    assert registry.count() == 5


def test_known_among_others_are_those_that_were_put(registry: Registry) -> None:
    registry.put([a_job("ja"), a_job("jb")])

    assert registry.known_among(["jb", "jc", "ja", "jb"]) == {"ja", "jb"}
    assert registry.known_among([]) == set()


def test_the_oldest_ends_come_first_and_those_that_stay_can_be_passed_over(registry: Registry) -> None:
    registry.put([ended(f"j{number}", ended_at=10.0 - number) for number in range(5)])

    assert registry.ended_before(9.0, limit=2) == ["j4", "j3"]
    assert registry.ended_before(9.0, limit=2, offset=1) == ["j3", "j2"]


def test_a_pass_is_noted_until_the_next(registry: Registry) -> None:
    assert registry.passed("jobs") is None
    registry.note_pass("jobs", 2**62)
    registry.note_pass("runs", 1)
    assert registry.passed("jobs") == 2**62
    registry.note_pass("jobs", 3)
    assert (registry.passed("jobs"), registry.passed("runs")) == (3, 1)


@pytest.mark.parametrize(
    "origin",
    [
        {"project": "/src/a b", "reader": "claude:/src:main", "parent": "jbefore", "is_own": True},
        {"project": "", "reader": "", "parent": None, "is_own": False},
        {"project": "/caf\udce9"},
    ],
)
def test_where_a_job_comes_from_is_kept_whatever_is_put_later(registry: Registry, origin: dict[str, Any]) -> None:
    registry.put([a_job("jone", **origin)])
    before = registry.get("jone")
    registry.put([a_job("jone", state=State.RUNNING, project="/other", reader="x", parent="jx", is_own=True)])

    after = registry.get("jone")
    assert before is not None
    assert after == dataclasses.replace(before, state=State.RUNNING)
    assert registry.without_origin(limit=10) == []


# -- runs --------------------------------------------------------------------------------------------------------------


def a_run(run_id: str, **values: Any) -> RunRow:
    values = {"backend": "codex", "agent_name": "ann", "session_id": "s1", "cwd": "/a", "created_at": 1.0, **values}
    return RunRow(run_id=run_id, **values)


@pytest.fixture
def four(registry: Registry) -> Registry:
    registry.put_runs([a_run("ra", created_at=1.0, status="completed"), a_run("rb", created_at=2.0, cwd="/b")])
    registry.put_runs([a_run("rc", created_at=3.0, backend="gemini", session_id="s2", status="completed")])
    registry.put_runs([a_run("rd", created_at=3.0, agent_name="bob", status="failed")])
    return registry


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ({}, ["rd", "rc", "rb", "ra"]),
        ({"status": "completed"}, ["rc", "ra"]),
        ({"status": "completed", "backend": "codex"}, ["ra"]),
        ({"agent_name": "ann"}, ["rc", "rb", "ra"]),
        ({"session_id": "s2"}, ["rc"]),
        ({"cwd": "/b"}, ["rb"]),
        ({"cwd": "/c"}, []),
    ],
)
def test_runs_are_chosen_and_come_newest_first(four: Registry, choice: dict[str, str], found: list[str]) -> None:
    runs = four.runs(RunChoice(**choice))

    assert [run.run_id for run in runs] == found
    assert four.runs(RunChoice(**choice), limit=2, offset=1) == runs[1:3]
    four.put_runs([a_run("re", created_at=4.0, project="/p", cwd="/b", session_id="s2", status="completed")])
    counted = four.count_runs(RunChoice(**choice, project=""))
    assert counted == (len(runs), len(four.runs(RunChoice(**choice))))
    assert four.runs(RunChoice(**choice, project="")) == runs


def test_live_runs_are_those_whose_end_is_not_known_and_an_end_stays(four: Registry) -> None:
    assert [run.run_id for run in four.live_runs()] == ["rb"]
    four.put_runs([a_run("ra"), a_run("rb", status="cancelled", cwd="/elsewhere")])

    assert four.live_runs() == []
    assert four.runs(RunChoice(cwd="/b")) == [a_run("rb", created_at=2.0, cwd="/b", status="cancelled")]
    assert four.runs(RunChoice(status="completed"))[-1].run_id == "ra"


def test_forgotten_runs_are_gone(four: Registry) -> None:
    four.forget_runs(["ra", "rd", "rnobody"])

    assert four.run_ids() == {"rb", "rc"}


# -- both are the same -------------------------------------------------------------------------------------------------

PROJECTS = ["", "/a", "/a/b"]
CHOICES = st.builds(
    JobChoice,
    statuses=st.lists(st.sampled_from(STATUSES), max_size=3).map(tuple),
    name=st.sampled_from([None, "train", "web"]),
    project=st.sampled_from([None, *PROJECTS]),
    cwd=st.sampled_from([None, "/", "/a", "/a/b", "/a0"]),
)

IDS = ["ja", "jb", "jc", "jd", "je"]
MOMENTS = [1.0, 2.0, 3.0]


@st.composite
def looks(draw: st.DrawFn) -> Job:
    """What somebody found out about one of a few jobs; what was asked of it never changes."""
    number = draw(st.integers(0, len(IDS) - 1))
    state = draw(st.sampled_from(State))
    is_over = state is State.EXITED
    return a_job(
        IDS[number],
        name=[None, "train", "train", "web", None][number],
        client=["me", "me", "you", "you", "me"][number],
        project=["/a", "/a", "/a/b", "/a", ""][number],
        cwd=["/", "/a", "/a/b", "/a/b/c", "/a0"][number],
        created_at=[2.0, 1.0, 2.0, 3.0, 3.0][number],
        state=state,
        outcome=draw(st.sampled_from(Outcome)) if is_over else None,
        ended_at=draw(st.sampled_from(MOMENTS)) if is_over else None,
        started_at=draw(st.sampled_from([None, *MOMENTS])),
        exit_code=draw(st.none() | st.integers(0, 255)) if is_over else None,
        signal=draw(st.sampled_from([None, "SIGKILL"])) if is_over else None,
        reason=draw(st.sampled_from(["", "because"])),
    )


SOME_IDS = st.lists(st.sampled_from(IDS), max_size=3)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.lists(looks(), max_size=4)),
        st.tuples(st.just("forget"), SOME_IDS),
    ),
    max_size=12,
)


@given(
    operations=OPERATIONS,
    choice=CHOICES,
    rows=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    moment=st.sampled_from([*MOMENTS, 2.5, 9.0]),
)
def test_both_indexes_say_the_same_whatever_was_done(
    operations: list[tuple[str, list[Any]]],
    choice: JobChoice,
    rows: tuple[int, int],
    moment: float,
) -> None:
    def answers(registry: Registry) -> list[object]:
        return [
            ids_of(registry),
            registry.count(),
            [registry.get(job_id) for job_id in IDS],
            [registry.newest_named(word, where) for word in ("train", "web", "") for where in PROJECTS],
            [registry.named(word) for word in ("train", "web", "")],
            registry.page(choice, limit=rows[0], offset=rows[1]),
            registry.counts(choice),
            registry.unended(),
            registry.ended_before(moment, limit=rows[0], offset=rows[1]),
        ]

    memory, sqlite = MemoryRegistry(), SqliteRegistry(":memory:")
    try:
        for operation, argument in operations:
            getattr(memory, operation)(argument)
            getattr(sqlite, operation)(argument)
            assert answers(memory) == answers(sqlite), operation
    finally:
        sqlite.close()


def test_what_was_asked_of_a_job_does_not_change_when_it_is_put_again(registry: Registry) -> None:
    # A job whose spec can no longer be read is looked at again; what is known of it stays.
    job = a_job("jone", name="train", client="me")
    registry.put([job])
    registry.put([dataclasses.replace(job, command="", name=None, state=State.RUNNING)])

    assert registry.get("jone") == dataclasses.replace(job, state=State.RUNNING)
