"""What a journal of submissions promises, asked of both kinds."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.comfyui.submission import End, Result, Stage, Submission
from mcp_background_job.registry.database import Database
from mcp_background_job.registry.journal import JOURNAL, SqliteJournal
from mcp_background_job.registry.journal_base import Journal
from mcp_background_job.registry.journal_memory import MemoryJournal

HERE, THERE = "http://127.0.0.1:8188", "http://127.0.0.1:8199"

REAL_ENDS = [End.COMPLETED, End.FAILED, End.CANCELLED]


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    journal: Journal = (
        MemoryJournal() if request.param == "memory" else SqliteJournal(str(tmp_path / "comfyui.sqlite3"))
    )
    yield journal
    journal.close()


def a_submission(prompt_id: str, **values: Any) -> Submission:
    values = {"server": HERE, "submitted_at": 1.0, "graph": "{}", "stage": Stage.ACCEPTED, **values}
    return Submission(prompt_id=prompt_id, **values)


def ids(submissions: list[Submission]) -> list[str]:
    return [submission.prompt_id for submission in submissions]


def known(journal: Journal, prompt_id: str = "one") -> Submission:
    submission = journal.get(prompt_id)
    assert submission is not None
    return submission


# -- record and get ----------------------------------------------------------------------------------------------------


def test_an_empty_journal_knows_no_submission(journal: Journal) -> None:
    assert journal.get("one") is None
    assert journal.open_on(HERE) == []
    assert journal.to_requeue(HERE) == []
    assert journal.newest(HERE, 10) == []


@pytest.mark.parametrize(
    "submission",
    [
        a_submission("one", stage=Stage.SENDING),
        a_submission("one", graph="", extra_data='{"client_id": "x"}', note="a cat", client="claude", front=True),
        a_submission("one", number=-2.5, is_ours=False, requeue=True, submitted_at=1760000000.123456),
        a_submission("one", number=math.inf),
        a_submission("one", end=End.FAILED, ended_at=2.5, reason="out of memory"),
        a_submission("one", stage=Stage.REFUSED, reason="no such checkpoint"),
        a_submission("one", stage=Stage.WAITING, batch_id="b1", position=0, overrides='{"3.inputs.seed": 1}'),
        a_submission("one", started_at=1.5, outputs=0, overdue_s=30.0, retried_as="two"),
        a_submission("one", graph='{"1": "a\nb \N{GRINNING FACE} \0 \\ud800"}', note="\0"),
    ],
)
def test_a_submission_comes_back_as_it_was_recorded(journal: Journal, submission: Submission) -> None:
    journal.record([submission])

    assert journal.get("one") == submission
    assert journal.newest(HERE, 1) == [submission]


@pytest.mark.parametrize(
    "prompt_id", ["", " ", "None", "0", "a\0b", "a\0c", "\N{GRINNING FACE}", "'; --", "x" * 10_000]
)
def test_an_id_is_any_text(journal: Journal, prompt_id: str) -> None:
    journal.record([a_submission(prompt_id), a_submission("a"), a_submission("a\0")])
    journal.answered(prompt_id, Stage.ACCEPTED, 7.0)
    journal.want_requeue([prompt_id])
    journal.ended([prompt_id], End.LOST, at=2.0)

    wanted = a_submission(prompt_id, number=7.0, requeue=True, end=End.LOST, ended_at=2.0)
    assert journal.get(prompt_id) == wanted
    assert journal.to_requeue(HERE) == [wanted]
    assert ids(journal.open_on(HERE)) == ["a", "a\0"]


@pytest.mark.parametrize(
    "field",
    ["prompt_id", "server", "graph", "extra_data", "note", "client", "reason", "batch_id", "overrides", "retried_as"],
)
def test_what_is_no_text_does_not_keep_others_out(journal: Journal, field: str) -> None:
    odd = dataclasses.replace(a_submission("odd"), **{field: "caf\udce9"})
    journal.record([a_submission("one"), odd, a_submission("two")])

    found = journal.get(odd.prompt_id)
    assert found is not None
    assert "caf" in getattr(found, field)
    assert journal.get("one") == a_submission("one")
    assert journal.get("two") == a_submission("two")


def test_what_is_said_of_an_id_or_a_server_that_is_no_text_reaches_it(journal: Journal) -> None:
    journal.record([a_submission("caf\udce9", server="http://caf\udce9", stage=Stage.SENDING)])
    journal.answered("caf\udce9", Stage.ACCEPTED, 1.0)
    journal.want_requeue(["caf\udce9"])
    journal.ended(["caf\udce9"], End.LOST, at=2.0, reason="caf\udce9")

    (found,) = journal.to_requeue("http://caf\udce9")
    assert found == known(journal, "caf\udce9")
    assert journal.newest("http://caf\udce9", 1) == [found]
    assert (found.stage, found.number, found.end) == (Stage.ACCEPTED, 1.0, End.LOST)
    journal.resubmitted("caf\udce9", number=2.0, at=3.0)
    assert journal.open_on("http://caf\udce9") == [known(journal, "caf\udce9")]


def test_a_graph_with_lone_surrogates_still_means_the_same(journal: Journal) -> None:
    graph = {"1": {"inputs": {"text": 'caf\udce9 "\\" \N{GRINNING FACE}', "caf\udce9": "\\"}}}
    journal.record([a_submission("one", graph=json.dumps(graph, ensure_ascii=False))])

    assert json.loads(known(journal).graph) == graph


def test_a_number_that_is_none_is_kept_as_unknown(journal: Journal) -> None:
    # Somebody may submit with it; ComfyUI takes it and shows it in the queue.
    journal.record([a_submission("one", number=math.nan), a_submission("two"), a_submission("three")])
    journal.answered("two", Stage.ACCEPTED, math.nan)
    journal.resubmitted("three", number=math.nan, at=1.0)

    assert [one.number for one in journal.open_on(HERE)] == [None, None, None]


def test_recording_nothing_changes_nothing(journal: Journal) -> None:
    journal.record([])

    assert journal.newest(HERE, 10) == []


def test_recording_again_replaces_all_that_was_known(journal: Journal) -> None:
    first = a_submission("one", end=End.COMPLETED, ended_at=2.0, reason="done", number=3.0, note="a cat", requeue=True)
    second = a_submission("one", server=THERE, graph="{1}", extra_data="{2}", stage=Stage.SENDING, submitted_at=5.0)
    journal.record([first, a_submission("two")])
    journal.record(iter([second]))

    assert journal.get("one") == second
    assert journal.newest(HERE, 10) == [a_submission("two")]


def test_of_one_id_twice_in_one_go_the_later_counts(journal: Journal) -> None:
    journal.record([a_submission("one", graph="{1}"), a_submission("one", graph="{2}")])

    assert known(journal).graph == "{2}"


def test_a_graph_of_fifty_megabytes_is_kept(journal: Journal) -> None:
    graph = json.dumps({"1": {"image": "x" * 50_000_000}})
    journal.record([a_submission("one", graph=graph)])

    assert known(journal).graph == graph


# -- answers and ends --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stage", "number"), [(Stage.ACCEPTED, 4.0), (Stage.ACCEPTED, None), (Stage.REFUSED, None)])
def test_an_answer_is_kept_and_changes_nothing_else(journal: Journal, stage: Stage, number: float | None) -> None:
    sent = a_submission("one", stage=Stage.SENDING, graph="{1}", note="a cat", requeue=True, number=9.0)
    journal.record([sent, a_submission("two", stage=Stage.SENDING)])
    journal.answered("one", stage, number)

    assert journal.get("one") == dataclasses.replace(sent, stage=stage, number=number)
    assert known(journal, "two").stage is Stage.SENDING


@pytest.mark.parametrize("end", End)
def test_an_end_is_kept_and_changes_nothing_else(journal: Journal, end: End) -> None:
    first, second = a_submission("one", graph="{1}", number=1.0), a_submission("two", note="a cat")
    journal.record([first, second, a_submission("three")])
    journal.ended(iter(["one", "two"]), end, at=2.5, reason="because")

    said = {"end": end, "ended_at": 2.5, "reason": "because"}
    assert journal.get("one") == dataclasses.replace(first, **said)
    assert journal.get("two") == dataclasses.replace(second, **said)
    assert journal.get("three") == a_submission("three")


@pytest.mark.parametrize("new", End)
@pytest.mark.parametrize("old", End)
def test_a_known_end_stays_but_any_other_replaces_lost(journal: Journal, old: End, new: End) -> None:
    journal.record([a_submission("one")])
    journal.ended(["one"], old, at=2.0, reason="first")
    journal.ended(["one"], new, at=3.0)

    replaces = old is End.LOST and new is not End.LOST
    one = known(journal)
    assert (one.end, one.ended_at, one.reason) == ((new, 3.0, "") if replaces else (old, 2.0, "first"))


# -- how it ended, with all that the server tells ----------------------------------------------------------------------


def a_result(prompt_id: str = "one", end: End = End.COMPLETED, **values: Any) -> Result:
    values = {"content": '{"made": 1}', **values}
    return Result(prompt_id=prompt_id, end=end, at=9.0, **values)


@pytest.mark.parametrize("end", REAL_ENDS)
def test_what_is_settled_is_ended_and_its_result_is_kept(journal: Journal, end: End) -> None:
    one = a_submission("one", graph="{1}", number=1.0, requeue=True)
    journal.record([one, a_submission("two")])
    assert journal.result("one") is None
    journal.settled(a_result(end=end, started_at=4.0, outputs=3, reason="because"))

    said = {"end": end, "ended_at": 9.0, "reason": "because", "started_at": 4.0, "outputs": 3, "requeue": False}
    assert journal.get("one") == dataclasses.replace(one, **said)
    assert journal.result("one") == '{"made": 1}'
    assert journal.result("two") is None
    assert journal.get("two") == a_submission("two")


def test_of_two_results_the_first_stays(journal: Journal) -> None:
    journal.record([a_submission("one")])
    journal.settled(a_result(outputs=3))
    journal.settled(a_result(end=End.FAILED, content="{}", outputs=0))

    one = known(journal)
    assert (one.end, one.outputs, journal.result("one")) == (End.COMPLETED, 3, '{"made": 1}')


def test_the_result_of_what_was_given_up_as_lost_is_kept(journal: Journal) -> None:
    journal.record([a_submission("one")])
    journal.ended(["one"], End.LOST, at=2.0, reason="restarted")
    journal.settled(a_result(outputs=1))

    assert (known(journal).end, known(journal).reason, known(journal).outputs) == (End.COMPLETED, "", 1)
    assert journal.result("one") == '{"made": 1}'


def test_a_result_for_which_there_is_an_end_already_is_kept_all_the_same(journal: Journal) -> None:
    # A cancel notes the end at once; what the server tells of it is read later.
    journal.record([a_submission("one")])
    journal.ended(["one"], End.CANCELLED, at=2.0)
    journal.settled(a_result(end=End.CANCELLED, outputs=2))

    assert (known(journal).end, known(journal).ended_at) == (End.CANCELLED, 2.0)
    assert journal.result("one") == '{"made": 1}'


@pytest.mark.parametrize("text", ["", "\0", "a\0b", "\N{GRINNING FACE}", '{"a": "\\ud800"}'])
def test_a_result_is_any_text_for_any_id(journal: Journal, text: str) -> None:
    journal.record([a_submission("a\0b"), a_submission("a"), a_submission("refused")])
    journal.settled(a_result("a\0b", content=text, reason=text))
    journal.refused("refused", reason=text, result=text)

    assert journal.result("a\0b") == text
    assert journal.result("a") is None
    assert (known(journal, "a\0b").reason, known(journal, "refused").reason) == (text, text)
    assert journal.result("refused") == text


def test_a_result_in_what_is_no_text_is_kept(journal: Journal) -> None:
    journal.record([a_submission("caf\udce9")])
    journal.settled(a_result("caf\udce9", content='{"a": "caf\udce9"}', reason="\udce9"))

    assert journal.result("caf\udce9") == '{"a": "caf\\udce9"}'
    assert known(journal, "caf\udce9").reason == "\\udce9"


def test_a_refusal_is_kept_with_all_that_was_said(journal: Journal) -> None:
    one = a_submission("one", stage=Stage.SENDING, number=3.0)
    journal.record([one])
    journal.refused("one", reason="no such model", result='{"message": "no"}')

    assert journal.get("one") == dataclasses.replace(one, stage=Stage.REFUSED, reason="no such model")
    assert journal.result("one") == '{"message": "no"}'
    assert journal.open_on(HERE) == []


# -- of a batch --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [None, *End])
@pytest.mark.parametrize("stage", Stage)
def test_only_what_waits_to_be_sent_is_withdrawn(journal: Journal, stage: Stage, end: End | None) -> None:
    one = a_submission("one", stage=stage, end=end, reason="x")
    journal.record([one])

    waits = stage is Stage.WAITING and end is None
    assert journal.withdraw("one", at=5.0) is waits
    assert journal.get("one") == (dataclasses.replace(one, end=End.CANCELLED, ended_at=5.0) if waits else one)
    assert journal.withdraw("one", at=6.0) is False
    assert journal.withdraw("unknown", at=6.0) is False


@pytest.mark.parametrize("end", End)
def test_what_is_stopped_for_its_time_limit_has_failed_unless_it_came_to_its_own_end(
    journal: Journal, end: End
) -> None:
    journal.record([a_submission("one", requeue=True), a_submission("two")])
    journal.overdue("one", limit_s=2.5)
    journal.ended(["one", "two"], end, at=3.0, reason="stopped")
    one, own = known(journal), end in (End.COMPLETED, End.FAILED)

    assert (one.overdue_s, one.end, one.ended_at) == (2.5, end if own else End.FAILED, 3.0)
    assert one.reason == ("stopped" if own else "stopped at its time limit of 2.5 s")
    assert one.requeue is False
    assert known(journal, "two").end is end


@pytest.mark.parametrize("end", End)
def test_a_time_limit_changes_no_end(journal: Journal, end: End) -> None:
    one = a_submission("one", end=end, ended_at=2.0)
    journal.record([one])
    journal.overdue("one", limit_s=2.5)

    assert journal.get("one") == one


@pytest.mark.parametrize(
    "say", ["answered", "ended", "want_requeue", "resubmitted", "settled", "refused", "withdraw", "overdue"]
)
def test_what_is_said_of_an_unknown_id_is_not_kept(journal: Journal, say: str) -> None:
    if say == "answered":
        journal.answered("one", Stage.ACCEPTED, 1.0)
    elif say == "settled":
        journal.settled(a_result())
    elif say == "refused":
        journal.refused("one", reason="x", result="{}")
    elif say == "withdraw":
        assert journal.withdraw("one", at=1.0) is False
    elif say == "overdue":
        journal.overdue("one", limit_s=1.0)
    elif say == "ended":
        journal.ended(["one"], End.FAILED, at=1.0)
    elif say == "want_requeue":
        journal.want_requeue(["one"])
    else:
        journal.resubmitted("one", number=1.0, at=1.0)

    assert journal.get("one") is None
    assert journal.result("one") is None
    assert journal.newest(HERE, 10) == []
    journal.record([a_submission("one")])
    assert journal.get("one") == a_submission("one")
    assert journal.result("one") is None


# -- over a restart ----------------------------------------------------------------------------------------------------


def test_what_is_wanted_again_stays_so_when_it_is_lost_and_until_it_is_resubmitted(journal: Journal) -> None:
    first = a_submission("one", graph="{1}", number=40.0, note="a cat", front=True)
    journal.record([first, a_submission("two")])
    journal.want_requeue(["one"])
    journal.ended(["one", "two"], End.LOST, at=2.0, reason="restarted")
    assert ids(journal.to_requeue(HERE)) == ["one"]

    journal.resubmitted("one", number=0.0, at=3.0)

    assert journal.get("one") == dataclasses.replace(first, number=0.0, submitted_at=3.0)
    assert journal.to_requeue(HERE) == []
    assert ids(journal.open_on(HERE)) == ["one"]


def test_what_runs_again_has_the_result_of_its_last_run(journal: Journal) -> None:
    first = a_submission("one", graph="{1}")
    journal.record([first])
    journal.overdue("one", limit_s=30.0)
    journal.settled(a_result(end=End.CANCELLED, content="{1}", outputs=0, started_at=4.0))
    journal.want_requeue(["one"])
    journal.resubmitted("one", number=0.0, at=3.0)
    assert journal.get("one") == dataclasses.replace(first, number=0.0, submitted_at=3.0)
    assert journal.result("one") is None

    journal.settled(a_result(end=End.COMPLETED, content="{2}", outputs=2))
    assert (known(journal).end, known(journal).outputs, journal.result("one")) == (End.COMPLETED, 2, "{2}")
    journal.record([first])
    assert journal.result("one") is None, "all that was known is replaced"


def test_resubmitting_what_was_refused_or_never_answered_accepts_it(journal: Journal) -> None:
    journal.record([a_submission("one", stage=Stage.REFUSED), a_submission("two", stage=Stage.SENDING)])
    journal.resubmitted("one", number=None, at=1.0)
    journal.resubmitted("two", number=1.0, at=1.0)

    assert journal.open_on(HERE) == [a_submission("two", number=1.0), a_submission("one")]


@pytest.mark.parametrize("end", REAL_ENDS)
def test_what_really_ended_is_not_submitted_again_unless_it_is_wanted_after_that(journal: Journal, end: End) -> None:
    journal.record([a_submission("one")])
    journal.want_requeue(["one"])
    journal.ended(["one"], End.LOST, at=2.0)
    journal.ended(["one"], end, at=3.0)
    assert journal.to_requeue(HERE) == []

    journal.want_requeue(["one"])
    journal.ended(["one"], End.CANCELLED, at=4.0)

    assert ids(journal.to_requeue(HERE)) == ["one"], "an end that changes nothing changes no wish"


def test_what_the_server_refuses_is_not_submitted_to_it_again(journal: Journal) -> None:
    journal.record([a_submission("one", stage=Stage.SENDING)])
    journal.want_requeue(["one"])
    journal.answered("one", Stage.REFUSED, None)

    assert journal.to_requeue(HERE) == []


# -- lists -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def eight(journal: Journal) -> Journal:
    journal.record(
        [
            a_submission("late", number=5.0, submitted_at=1.0, requeue=True),
            a_submission("tie-b", number=2.0, submitted_at=4.0),
            a_submission("tie-a", number=2.0, submitted_at=4.0, requeue=True),
            a_submission("tie-old", number=2.0, submitted_at=3.0),
            a_submission("front", number=-6.0, submitted_at=6.0, front=True),
            a_submission("sending", stage=Stage.SENDING, submitted_at=7.0, requeue=True),
            a_submission("refused", stage=Stage.REFUSED, submitted_at=8.0, requeue=True),
            a_submission("waiting", stage=Stage.WAITING, submitted_at=0.5, batch_id="b1"),
            a_submission("there", server=THERE, number=1.0, submitted_at=9.0, requeue=True),
        ]
    )
    return journal


def test_open_submissions_come_in_the_order_of_the_queue_unnumbered_ones_last(eight: Journal) -> None:
    assert ids(eight.open_on(HERE)) == ["front", "tie-old", "tie-a", "tie-b", "late", "sending"]
    assert ids(eight.open_on(THERE)) == ["there"]
    assert eight.open_on(HERE + "/") == []


@pytest.mark.parametrize("end", End)
def test_ended_submissions_are_not_open(eight: Journal, end: End) -> None:
    eight.ended(["front", "tie-a"], end, at=10.0)

    assert ids(eight.open_on(HERE)) == ["tie-old", "tie-b", "late", "sending"]


def test_what_is_to_be_submitted_again_comes_in_the_order_of_the_queue(eight: Journal) -> None:
    assert ids(eight.to_requeue(HERE)) == ["tie-a", "late", "sending"]
    assert ids(eight.to_requeue(THERE)) == ["there"]
    assert eight.to_requeue("") == []


@pytest.mark.parametrize("limit", [0, 1, 3, 8, 100])
def test_the_newest_come_first_whatever_became_of_them(eight: Journal, limit: int) -> None:
    eight.ended(["front", "late"], End.COMPLETED, at=10.0)

    newest = ["refused", "sending", "front", "tie-b", "tie-a", "tie-old", "late", "waiting"]
    assert ids(eight.newest(HERE, limit)) == newest[:limit]
    assert ids(eight.newest(THERE, 5)) == ["there"]


# -- threads -----------------------------------------------------------------------------------------------------------


def test_any_thread_may_use_it_at_any_time(journal: Journal) -> None:
    def life(turn: int) -> Submission | None:
        prompt_ids = [f"{turn}-{place}" for place in range(3)]
        journal.record(a_submission(prompt_id, stage=Stage.SENDING) for prompt_id in prompt_ids)
        journal.answered(prompt_ids[0], Stage.ACCEPTED, float(turn))
        assert journal.open_on(HERE)
        journal.ended(prompt_ids, End.COMPLETED, at=2.0)
        return journal.get(prompt_ids[0])

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(life, range(40)))

    assert found == [
        a_submission(f"{turn}-0", number=float(turn), end=End.COMPLETED, ended_at=2.0) for turn in range(40)
    ]
    assert len(journal.newest(HERE, 1000)) == 120
    assert journal.open_on(HERE) == []


def test_closing_twice_does_no_harm(journal: Journal) -> None:
    journal.record([a_submission("one")])
    journal.close()
    journal.close()


# -- both are the same -------------------------------------------------------------------------------------------------

# Few of each, so that they meet: ties, second ends, ends of what is wanted again.
IDS = ["a", "b\0", "caf\udce9"]
MOMENTS = [1.0, 2.0]
NUMBERS = st.sampled_from([None, -1.0, 7, 7, math.inf, math.nan])


@st.composite
def submissions(draw: st.DrawFn, prompt_ids: st.SearchStrategy[str]) -> Submission:
    return Submission(
        prompt_id=draw(prompt_ids),
        server=draw(st.sampled_from([HERE, HERE, HERE, THERE])),
        submitted_at=draw(st.sampled_from(MOMENTS)),
        graph=draw(st.text(max_size=5)),
        extra_data=draw(st.sampled_from(["{}", '{"a": 1}'])),
        note=draw(st.text(st.characters(), max_size=3)),
        front=draw(st.booleans()),
        number=draw(NUMBERS),
        stage=draw(st.sampled_from(Stage)),
        end=draw(st.none() | st.sampled_from(End)),
        ended_at=draw(st.none() | st.sampled_from(MOMENTS)),
        reason=draw(st.sampled_from(["", "because"])),
        is_ours=draw(st.booleans()),
        requeue=draw(st.booleans()),
        batch_id=draw(st.sampled_from([None, "b1"])),
        overrides=draw(st.sampled_from(["", '{"1.inputs.seed": 1}'])),
        started_at=draw(st.none() | st.sampled_from(MOMENTS)),
        outputs=draw(st.none() | st.integers(0, 2)),
        overdue_s=draw(st.sampled_from([None, None, 30.0, 0.25, 86400.0])),
    )


@st.composite
def results(draw: st.DrawFn) -> Result:
    return Result(
        prompt_id=draw(AN_ID),
        end=draw(st.sampled_from(End)),
        at=draw(st.sampled_from(MOMENTS)),
        started_at=draw(st.none() | st.sampled_from(MOMENTS)),
        outputs=draw(st.integers(0, 2)),
        reason=draw(st.sampled_from(["", "because"])),
        content=draw(st.text(st.characters(), max_size=3)),
    )


AN_ID = st.sampled_from([*IDS, "unknown"])
SOME_IDS = st.lists(AN_ID, min_size=1, max_size=4)


def _call(name: str, *arguments: st.SearchStrategy[Any], **named: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(name), st.tuples(*arguments), st.fixed_dictionaries(named))


OPERATIONS = st.lists(
    st.one_of(
        _call("record", st.lists(submissions(st.sampled_from(IDS)), max_size=3)),
        _call("answered", AN_ID, st.sampled_from(Stage), NUMBERS),
        _call("ended", SOME_IDS, st.sampled_from(End), at=st.sampled_from(MOMENTS), reason=st.sampled_from(["", "x"])),
        _call("settled", results()),
        _call("refused", AN_ID, reason=st.sampled_from(["", "x"]), result=st.text(st.characters(), max_size=3)),
        _call("withdraw", AN_ID, at=st.sampled_from(MOMENTS)),
        _call("overdue", AN_ID, limit_s=st.sampled_from([30.0, 0.25, 86400.0])),
        _call("want_requeue", SOME_IDS),
        _call("resubmitted", AN_ID, number=NUMBERS, at=st.sampled_from(MOMENTS)),
    ),
    max_size=10,
)


def without_a_file() -> SqliteJournal:
    """A journal that waits for no disk, so that hundreds of them are quickly made."""
    journal = SqliteJournal.__new__(SqliteJournal)
    journal.database = Database(":memory:", JOURNAL)
    return journal


@given(
    first=st.tuples(*[submissions(st.just(prompt_id)) for prompt_id in IDS]),
    operations=OPERATIONS,
    limit=st.integers(0, 4),
)
def test_both_journals_say_the_same_whatever_was_done(
    first: tuple[Submission, ...],
    operations: list[tuple[str, tuple[Any, ...], dict[str, Any]]],
    limit: int,
) -> None:
    def answers(journal: Journal) -> list[object]:
        return [
            [(journal.get(prompt_id), journal.result(prompt_id)) for prompt_id in [*IDS, "unknown"]],
            [(journal.open_on(one), journal.to_requeue(one), journal.newest(one, limit)) for one in (HERE, THERE)],
        ]

    memory: Journal = MemoryJournal()
    sqlite = without_a_file()
    try:
        for name, arguments, named in [("record", (first,), dict[str, Any]()), *operations]:
            assert getattr(memory, name)(*arguments, **named) == getattr(sqlite, name)(*arguments, **named), name
            assert answers(memory) == answers(sqlite), name
    finally:
        sqlite.close()
