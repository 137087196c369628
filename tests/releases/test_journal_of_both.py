"""Both releases write one journal of batches in turns, and both count the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mcp_background_job.jobdir.layout import StateDir

pytestmark = pytest.mark.real_process

#: What either release does with the journal: a JSON list of steps comes in, what each returns goes out.
DRIVER = """
import dataclasses, json, os, sys
try:
    from mcp_background_job.core.comfyui.batch import Batch
    from mcp_background_job.core.comfyui.submission import End, Result, Stage, Submission
    HAS_FEEDER = True
except ModuleNotFoundError:  # release 1.0.0
    from mcp_background_job.core.batch import Batch
    from mcp_background_job.core.submission import End, Result, Stage, Submission
    HAS_FEEDER = False
from mcp_background_job.registry.batches import SqliteBatches
from mcp_background_job.registry.journal import SqliteJournal

path, steps = sys.argv[1], json.loads(sys.argv[2])
journal = SqliteJournal(path)
batches = SqliteBatches(journal.database)
SERVER = "http://127.0.0.1:8188"


def create(batch_id, many):
    prompts = [
        Submission(prompt_id=f"{batch_id}-{n}", server=SERVER, submitted_at=1.0, graph="", stage=Stage.WAITING,
                   batch_id=batch_id, position=n, graph_id=batch_id)
        for n in range(many)
    ]
    batches.create(Batch(batch_id=batch_id, server=SERVER, created_at=1.0), prompts, {batch_id: ("{}", "{}")})


def claim(batch_id):
    claimed = batches.claim_next(*((SERVER, [batch_id]) if HAS_FEEDER else (batch_id,)), at=2.0)
    return claimed and claimed.prompt_id


def end(prompt_id, how):
    journal.answered(prompt_id, Stage.ACCEPTED, 1.0)
    journal.settled(Result(prompt_id=prompt_id, end=End(how), at=3.0, content="{}"))


def again(prompt_id):
    journal.record([journal.get(prompt_id)])  # by INSERT OR REPLACE


def retry(prompt_id, new):
    old = journal.get(prompt_id)
    fresh = dataclasses.replace(old, prompt_id=new, stage=Stage.WAITING, end=None, ended_at=None, reason="")
    return batches.retry(old.batch_id, {prompt_id: fresh})


def counts(batch_id):
    return {key: value for key, value in vars(batches.counts(batch_id)).items() if value}


def batch(batch_id):
    return batches.get(batch_id).batch_id


def cancel(batch_id):
    return batches.request_cancel(batch_id, by="me", at=4.0)


print(json.dumps([globals()[name](*arguments) for name, *arguments in steps]))
"""


@pytest.fixture
def do(python: Callable[..., str], state_dir: str) -> Callable[..., list[Any]]:
    state = StateDir(state_dir)

    def do(release: str, *steps: list[Any]) -> list[Any]:
        python(release, "import os, sys; os.makedirs(sys.argv[1], mode=0o700, exist_ok=True)", state.path)
        return json.loads(python(release, DRIVER, state.comfyui_journal, json.dumps(steps)))

    return do


@pytest.mark.parametrize(("one", "other"), [("1.0.0", "ours"), ("ours", "1.0.0")])
def test_a_batch_is_fed_by_both_in_turns_and_both_count_the_same(
    do: Callable[..., list[Any]], one: str, other: str
) -> None:
    def both_count(**expected: int) -> None:
        for release in (other, one):
            assert do(release, ["batch", "b1"], ["counts", "b1"]) == ["b1", expected], release

    do(one, ["create", "b1", 6])
    both_count(pending=6)
    assert do(other, ["claim", "b1"], ["end", "b1-0", "completed"])[0] == "b1-0"
    assert do(one, ["claim", "b1"], ["end", "b1-1", "failed"])[0] == "b1-1"
    both_count(pending=4, succeeded=1, failed=1)
    assert do(other, ["claim", "b1"], ["again", "b1-0"], ["again", "b1-3"])[0] == "b1-2"
    do(one, ["again", "b1-2"], ["again", "b1-1"])
    both_count(pending=3, running=1, succeeded=1, failed=1)
    assert do(one, ["retry", "b1-1", "b1-9"]) == [1]
    assert do(other, ["retry", "b1-1", "b1-8"]) == [0]
    both_count(pending=4, running=1, succeeded=1)
    assert do(other, ["create", "b2", 3], ["counts", "b2"]) == [None, {"pending": 3}]
    assert do(one, ["cancel", "b1"], ["counts", "b2"]) == [4, {"pending": 3}]
    both_count(running=1, succeeded=1, canceled=4)
