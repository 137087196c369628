"""How runs and agents are shown at the terminal: in narrow windows, whole where they were cut, one run to its end."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mcp_background_job.agents.catalog import Reference
from mcp_background_job.agents.events.cutting import cut
from mcp_background_job.agents.life.results import Piece, Polled, Run
from mcp_background_job.agents.runs import RunManager
from mcp_background_job.cli import terminal
from mcp_background_job.cli.parser import build_app
from mcp_background_job.cli.runs import letters
from mcp_background_job.cli.runs import views as show
from mcp_background_job.cli.runs.following import write_events
from mcp_background_job.cli.runs.letters import parts
from mcp_background_job.cli.runs.transcript import lines_of
from mcp_background_job.cli.runs.watching import watch
from mcp_background_job.cli.runs.whole import whole
from mcp_background_job.core.run import RunStatus
from mcp_background_job.errors import InvalidRequestError

#: A piece ends in the middle of whatever is cut.
_PIECE = 1000


def _run(run_id: str, **values: Any) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "agent_name": "an agent with quite a long name",
        "backend": "claude_code",
        "status": "input_required",
        "created_at": datetime.now(UTC).isoformat(),
        "last_seq": 12345,
        "summary": "words " * 20,
        **values,
    }


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> int:
    """A window of so many columns, in which people look."""
    monkeypatch.setattr(terminal, "for_people", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    return 60


def test_ids_and_statuses_are_whole_in_a_narrow_window_four_deep(
    narrow: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = ["raaaaaa", "rbbbbbb", "rcccccc", "rdddddd", "reeeeee"]
    family = [_run(one, parent_run_id=above) for one, above in zip(ids, [None, *ids], strict=False)]

    show.several(show.as_tree(family))

    drawn = capsys.readouterr().out.splitlines()
    assert max(map(len, drawn)) <= narrow
    rows = [line for line in drawn if "input_required" in line]
    assert [line.split()[0] for line in rows] == ids
    assert rows[4].startswith(" " * 8)
    assert "words" in rows[4]


def test_agents_are_a_table_for_people(narrow: int, capsys: pytest.CaptureFixture[str]) -> None:
    agent = {"agent_name": "bob", "last_run_id": "raaaaaa", "status": "completed", "unfetched": 3, "cwd": "/w" * 60}

    letters.agents([agent])
    letters.agents([])

    drawn = capsys.readouterr().out.splitlines()
    assert max(map(len, drawn)) <= narrow
    assert any(line.split()[:4] == ["bob", "raaaaaa", "completed", "3"] for line in drawn)
    assert drawn[-1] == "no agents"


def test_a_list_says_why_a_run_was_cancelled_where_that_was_not_all(capsys: pytest.CaptureFixture[str]) -> None:
    show.several(
        [
            _run("raaaaaa", status="cancelled", reason="ended with run rbbbbbb", summary="at work"),
            _run("rbbbbbb", status="cancelled", reason="cancelled", summary="at work too"),
        ]
    )

    rows = [line.split("\t")[-1] for line in capsys.readouterr().out.splitlines()]
    assert rows[1:] == ["ended with run rbbbbbb", "at work too"]


@dataclass
class _Kept:
    """Stands for the manager of a run of which one event was cut."""

    told: dict[str, Any]
    contents: dict[str, bytes]
    asked: list[tuple[str | None, int]] = field(default_factory=list[tuple[str | None, int]])

    async def artifact(self, reference: Reference, *, seq: int, field_path: str, offset: int, limit: int) -> Piece:
        self.asked.append((reference.run_id, seq))
        content = self.contents[field_path][offset : offset + min(limit, _PIECE)]
        about = self.told["artifact_refs"][field_path]
        return Piece("raaaaaa", about, offset, len(content), content.decode())


def _kept(data: dict[str, Any]) -> _Kept:
    told, artifacts = cut(data, "artifacts")
    return _Kept(told, {one.field_path: one.content for one in artifacts})


async def _shown(kept: _Kept, kind: str) -> list[str]:
    event = await whole(cast("RunManager", kept), "raaaaaa", {"seq": 7, "type": kind, "data": kept.told})
    return [line.text for line in lines_of(event)]


async def test_whoever_watches_sees_whole_words_and_a_diff_of_whole_texts() -> None:
    said = _kept({"text": "word " * 3000 + "\nlast"})
    assert await _shown(said, "agent_message") == ["", "word " * 3000, "last"]
    assert set(said.asked) == {("raaaaaa", 7)}

    old = "".join(f"line {number}\n" for number in range(1000))
    change = {"path": "a.py", "kind": "update", "old_text": old, "new_text": f"{old}one more\n"}
    changed = _kept({"status": "completed", "changes": [change]})
    assert "/changes" in changed.contents
    lines = await _shown(changed, "file_changed")
    assert (lines[0], lines[-1]) == ("update a.py", "  +one more")

    failed = _kept({"exit_code": 1, "output": "x\n" * 9000})
    assert (await _shown(failed, "command_finished"))[0] == "  exit 1, 9000 lines"


@pytest.mark.parametrize(
    ("about", "told"),
    [
        (
            {"total_bytes": 2_000_000},
            "2,000,000 bytes in all: `mcp-background-job runs artifact raaaaaa 7 text` prints",
        ),
        ({"stored": False}, "3,000 bytes in all, of which no more was kept"),
    ],
)
async def test_what_is_too_long_or_was_not_kept_is_said_to_be(about: dict[str, Any], told: str) -> None:
    kept = _kept({"text": "x" * 3000})
    kept.told["artifact_refs"]["/text"] |= about

    lines = await _shown(kept, "agent_message")

    assert kept.asked == []
    assert told in lines[-1]
    assert "artifact_refs" not in json.dumps(lines)


@dataclass
class _Polls:
    """Stands for the manager of a run that is over at the second look."""

    asked: list[Reference] = field(default_factory=list[Reference])

    async def poll(self, reference: Reference, **_: object) -> Polled:
        self.asked.append(reference)
        record = SimpleNamespace(run_id="raaaaaa", session_id="saaaaaa", backend="command")
        state = SimpleNamespace(seq=0, status=RunStatus.RUNNING, is_over=len(self.asked) > 1, request=None)
        return Polled(cast("Run", SimpleNamespace(record=record, state=state)), [], 0)


@pytest.mark.parametrize("is_watched", [True, False])
async def test_what_is_followed_by_the_name_of_an_agent_is_one_run_to_its_end(*, is_watched: bool) -> None:
    polls, bob = _Polls(), Reference(agent_name="bob")
    runs = cast("RunManager", polls)
    if is_watched:
        await watch(runs, bob, "cli")
    else:
        await write_events(runs, bob, after_seq=0, follow=True, as_json=False)
    assert polls.asked == [bob, Reference("raaaaaa")]


@pytest.mark.parametrize("command", ["send", "continue"])
def test_words_to_an_agent_may_begin_as_a_list_does(command: str) -> None:
    words = "- done: the parser\n- left: its tests"
    _, bound, _ = build_app().parse_args(
        ["runs", command, "bob", words, "--data", "{}"], exit_on_error=False, print_error=False
    )
    assert bound.args == ("bob", words)
    assert bound.kwargs == {"data": "{}"}


def test_a_message_without_words_and_data_is_refused_by_what_is_typed() -> None:
    with pytest.raises(InvalidRequestError, match="give a TEXT, or --data"):
        parts("", None)
