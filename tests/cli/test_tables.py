"""Tables in windows of any width: ids and statuses are whole, and no text goes without a sign."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from mcp_background_job.cli.comfyui.prompts import rows as prompts
from mcp_background_job.cli.jobs import rows as jobs
from mcp_background_job.cli.tables import NOTE, Column, Fitted, Rows, style_of

WIDTHS = [60, 80, 200]

PROMPT_ID = "8c240b53-c23a-4d35-bc80-56bba9ea9697"

JOB = {
    "job_id": "j59ckf",
    "name": "a-name-of-forty-characters-which-is-long",
    "status": "completed",
    "exit_code": 0,
    "age_s": 7200.0,
    "duration_s": 7100.0,
    "deadline_s": 3600.0,
    "silent_s": 60.0,
    "project": "/home/somebody/projects/of-a-long-name",
    "cwd": "/home/somebody/projects/of-a-long-name/and/a/directory",
    "engine": "slurm job 4711",
    "note": "waits for input",
    "command": "python train.py --epochs 100 --漢字かな 漢字かな漢字かな漢字かな漢字かな",
}


def _drawn(rows: Rows, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    with console.capture() as capture:
        console.print(Fitted(rows))
    return capture.get().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_list_of_jobs_shows_whole_ids_and_statuses_and_a_part_of_the_command(width: int) -> None:
    lines = _drawn(jobs.of_jobs([JOB, {"job_id": "j1", "status": "running", "command": "make"}]), width)

    headings, row = lines[1].split(), lines[3]
    assert max(map(cell_len, lines)) <= width
    assert [name for name in ("JOB", "NAME", "STATUS", "AGE", "COMMAND") if name not in headings] == []
    assert {"j59ckf", "completed"} <= set(row.split())
    assert "2.0 h" in row
    assert "python trai" in row


def test_the_columns_that_people_can_do_without_go_first() -> None:
    headings = [_drawn(jobs.of_jobs([JOB]), width)[1].split() for width in (60, 100, 200)]

    assert [len(names) for names in headings] == sorted(len(names) for names in headings)
    assert "SILENT" not in headings[1]
    assert "EXIT" in headings[1]
    assert headings[2] == [column.name for column in jobs.of_jobs([]).columns]


@pytest.mark.parametrize("width", [60, 80])
def test_texts_for_which_ids_leave_no_room_stand_below_them(width: int) -> None:
    entry = {
        "prompt_id": PROMPT_ID,
        "status": "in_progress",
        "age": "12 min",
        "note": "word " * 20,
        "progress": "step 1",
    }
    lines = _drawn(prompts.of_jobs({"jobs": [{**entry, "cause": "漢字かな" * 20}, {**entry, "note": ""}]}), width)

    assert max(map(cell_len, lines)) <= width
    assert [line.strip() for line in lines[1:3]] == ["PROMPT", "NOTE"]
    first, note, cause, second, progress = lines[5:10]
    assert first.split()[:2] == second.split()[:2] == [PROMPT_ID, "in_progress"]
    assert note.strip().endswith("word…") or note.strip().endswith("wor…")
    assert cause.strip().endswith("…")
    assert progress.strip() == "step 1"


def test_texts_stand_beside_ids_where_there_is_room() -> None:
    entry = {"prompt_id": PROMPT_ID, "status": "pending", "note": "a cat", "position": 2}

    (row,) = [line for line in _drawn(prompts.of_jobs({"jobs": [entry]}), 200) if PROMPT_ID in line]

    assert "a cat" in row
    assert "2 before it" in row


def test_a_column_without_anything_to_tell_is_not_shown() -> None:
    rows = Rows((Column("ID"), NOTE, Column("FILES", spare=1)), [("a", "", ""), ("b", "", "")])

    assert _drawn(rows, 80)[1].split() == ["ID"]


@pytest.mark.parametrize(
    ("status", "style"), [("completed", "green"), ("killed", "magenta"), ("lost", "bold red"), ("timed_out", "red")]
)
def test_a_status_has_the_colour_of_what_it_means(status: str, style: str) -> None:
    assert style_of(status) == style
