"""Files of sessions: written, read back, and those of other tools; what is none is refused in a sentence."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.comfyui.sessions.session_file import content_of, session_of
from mcp_background_job.core.comfyui.session import Session, Tracked
from mcp_background_job.errors import InvalidRequestError

SESSION = Session(session_id="s1", name="cats", created_at=1760000000.0, directory="/work")
TRACKED = [
    Tracked(prompt_id="one", queued_at=1760000001.5, note="a cat", downloaded=True, output_dir="/out"),
    Tracked(prompt_id="two", queued_at=1760000002.0),
]


def _read(content: Any) -> tuple[Session, list[Tracked]]:
    return session_of(content, "/work", "cats.json")


def _refusal(content: Any) -> str:
    with pytest.raises(InvalidRequestError) as refusal:
        _read(content)
    sentence = str(refusal.value)
    assert sentence.startswith("cats.json")
    assert len(sentence) < 300
    return sentence


def test_a_file_has_the_form_that_is_promised() -> None:
    assert content_of(SESSION, TRACKED) == {
        "id": "s1",
        "created": "2025-10-09T08:53:20+00:00",
        "name": "cats",
        "jobs": [
            {
                "prompt_id": "one",
                "queued_at": "2025-10-09T08:53:21.500000+00:00",
                "note": "a cat",
                "downloaded": True,
                "output_dir": "/out",
            },
            {
                "prompt_id": "two",
                "queued_at": "2025-10-09T08:53:22+00:00",
                "note": "",
                "downloaded": False,
                "output_dir": None,
            },
        ],
    }


MOMENTS = st.integers(0, 4_000_000_000_000_000).map(lambda microseconds: microseconds / 1_000_000)
TEXT = st.text(min_size=1, max_size=5)


@given(
    session=st.builds(Session, session_id=TEXT, name=TEXT, created_at=MOMENTS, directory=st.just("/work")),
    tracked=st.lists(
        st.builds(
            Tracked,
            prompt_id=TEXT.filter(str.strip),
            queued_at=MOMENTS,
            note=st.text(max_size=5),
            downloaded=st.booleans(),
            output_dir=st.text(max_size=5),
        ),
        max_size=4,
    ),
)
def test_what_is_written_is_read_back_as_it_was(session: Session, tracked: list[Tracked]) -> None:
    read, prompts = _read(json.loads(json.dumps(content_of(session, tracked))))

    assert (read.session_id, read.name, read.directory) == (session.session_id, session.name, "/work")
    assert read.created_at == pytest.approx(session.created_at, abs=2e-6)
    assert [one.queued_at for one in prompts] == pytest.approx([one.queued_at for one in tracked], abs=2e-6)
    told = [(one.prompt_id, one.note, one.downloaded, one.output_dir) for one in prompts]
    assert told == [(one.prompt_id, one.note, one.downloaded, one.output_dir) for one in tracked]


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2025-10-09T08:53:20+00:00", 1760000000.0),
        ("2025-10-09T08:53:20Z", 1760000000.0),
        ("2025-10-09T10:53:20.25+02:00", 1760000000.25),
        (1760000000, 1760000000.0),
        (1760000000.5, 1760000000.5),
        (-1, -1.0),
    ],
)
def test_times_of_other_tools_are_understood(written: Any, moment: float) -> None:
    session, [one] = _read({"created": written, "jobs": [{"prompt_id": "one", "queued_at": written}]})

    assert (session.created_at, one.queued_at) == (moment, moment)


def test_a_time_without_a_zone_is_local() -> None:
    session, _ = _read({"created": "2025-10-09T08:53:20", "jobs": []})

    assert time.localtime(session.created_at)[:6] == (2025, 10, 9, 8, 53, 20)


def test_what_is_left_out_is_filled_in() -> None:
    before = time.time()
    session, [one] = _read({"jobs": [{"prompt_id": "one", "note": None, "downloaded": None, "output_dir": None}]})

    assert (session.session_id, session.name) == ("cats.json", "cats.json")
    assert before <= session.created_at == one.queued_at <= time.time()
    assert (one.note, one.downloaded, one.output_dir) == ("", False, "")


def test_what_other_tools_add_is_ignored_and_their_numbers_are_text_here() -> None:
    session, [one] = _read({"id": 7, "name": 8, "jobs": [{"prompt_id": "one", "note": 9, "x": 1}], "y": 2})

    assert (session.session_id, session.name, one.note) == ("7", "8", "9")


@pytest.mark.parametrize("content", [None, 1, "jobs", [], [1], {}, {"jobs": {}}, {"jobs": None}, {"job": []}])
def test_what_is_no_session_is_refused_with_the_form(content: Any) -> None:
    assert _refusal(content) == 'cats.json is not a session: it needs {"id", "created", "name", "jobs": […]}'


@pytest.mark.parametrize("entry", [None, 1, "one", [], {}, {"prompt_id": 1}, {"prompt_id": None}, {"prompt_id": " "}])
def test_a_job_without_a_prompt_id_is_refused_and_shown(entry: Any) -> None:
    assert _refusal({"jobs": [{"prompt_id": "one"}, entry]}) == f"cats.json: a job of it has no prompt_id: {entry!r}"


@pytest.mark.parametrize("moment", ["", "yesterday", "2025-13-01", True, [1], {}, float("nan"), float("inf"), 1e300])
@pytest.mark.parametrize("where", ["session", "job"])
def test_what_is_no_time_is_refused_and_shown(moment: Any, where: str) -> None:
    job = {"prompt_id": "one"} | ({"queued_at": moment} if where == "job" else {})
    content = {"jobs": [job]} | ({"created": moment} if where == "session" else {})

    assert _refusal(content) == f"cats.json: {moment!r:.40} is not a time; write it like 2026-01-31T12:00:00+00:00"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "created", "name", "jobs", "prompt_id", "queued_at", "note"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(JSON | st.fixed_dictionaries({"jobs": st.lists(JSON, max_size=3)}))
def test_whatever_a_file_holds_it_is_a_session_or_refused(content: Any) -> None:
    try:
        session, tracked = _read(content)
    except InvalidRequestError:
        return
    content_of(session, tracked)
