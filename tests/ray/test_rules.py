"""What may be asked of Ray, and what its words mean: tables."""

from __future__ import annotations

import itertools

import pytest

from mcp_background_job.core.states import Outcome, State
from mcp_background_job.errors import InvalidRequestError
from mcp_background_job.executors.ray.fitting import unmet
from mcp_background_job.executors.ray.options import Options, read
from mcp_background_job.executors.ray.overview import part_of
from mcp_background_job.executors.ray.rest import Node, line_of
from mcp_background_job.executors.ray.states import ENDED, GONE, Verdict, has_waited_too_long, is_over, judge
from mcp_background_job.executors.ray.submitting import grows


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("", {"entrypoint_num_cpus": 1}),
        ("cpus=8 gpus=2", {"entrypoint_num_cpus": 8, "entrypoint_num_gpus": 2.0}),
        ("gpus=.25", {"entrypoint_num_cpus": 1, "entrypoint_num_gpus": 0.25}),
        ("mem=300k", {"entrypoint_num_cpus": 1, "entrypoint_memory": 300 * 1024}),
        ("mem=7", {"entrypoint_num_cpus": 1, "entrypoint_memory": 7 * 2**20}),
        ("mem=1TB", {"entrypoint_num_cpus": 1, "entrypoint_memory": 2**40}),
        ("resources=tpu-v5:4", {"entrypoint_num_cpus": 1, "entrypoint_resources": {"tpu-v5": 4.0}}),
    ],
)
def test_what_is_asked_for_is_told_by_rays_names(words: str, asked: dict[str, object]) -> None:
    assert read(words).asked() == asked


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("time=4h", "'time=4h' cannot be asked of Ray: give gpus=, cpus=, mem=, resources="),
        ("gpus", "'gpus' cannot be asked of Ray"),
        ("cpus=0", "cpus is a whole number of 1 or more"),
        ("cpus=1.5", "cpus is a whole number of 1 or more"),
        ("gpus=0", "gpus is how many"),
        ("gpus=0.0", "gpus is how many"),
        ("gpus=-1", "gpus is how many"),
        ("mem=much", "mem is a size"),
        ("resources=a100", "resources is custom resources of the cluster"),
        ("resources=a:1,", "resources is custom resources of the cluster"),
        ("cpus=1 cpus=2", "cpus is given twice"),
        ("x" * 500, "x'"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_one_sentence(words: str, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told) as refusal:
        read(words)
    assert len(str(refusal.value)) < 200


def test_what_a_job_asks_for_comes_before_what_the_site_does() -> None:
    assert read("cpus=2").over(read("cpus=4 mem=1G")) == Options({"cpus": 2, "mem": 2**30})


@pytest.mark.parametrize("word", ["PENDING", "RUNNING", "SPLENDID", None])
def test_no_word_but_that_it_is_over_ends_a_job(word: str | None) -> None:
    for reported, has_begun, is_settled in itertools.product((None, State.RUNNING), (False, True), (False, True)):
        verdict = judge(word, reported=reported, has_begun=has_begun, is_settled=is_settled)
        assert verdict.outcome is None
        assert verdict.state is (reported or (State.STARTING if has_begun or word == "RUNNING" else State.QUEUED))


@pytest.mark.parametrize("word", [*ENDED, GONE])
def test_the_word_that_it_is_over_counts_when_the_runner_has_said_nothing(word: str) -> None:
    assert is_over(word)
    waits = judge(word, reported=State.RUNNING, has_begun=True, is_settled=False)
    assert waits == Verdict(State.RUNNING)
    for has_begun in (False, True):
        verdict = judge(word, reported=None, has_begun=has_begun, is_settled=True)
        assert verdict.state is State.EXITED
        assert verdict.outcome is not None
        assert verdict.outcome is not Outcome.COMPLETED  # only a runner can say that
    begun = judge("FAILED", reported=State.RUNNING, has_begun=True, is_settled=True)
    assert begun.outcome is Outcome.LOST


def test_only_a_job_that_has_not_begun_is_submitted_again() -> None:
    reason = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT: it took long"
    assert has_waited_too_long("FAILED", reason)
    assert not has_waited_too_long("RUNNING", reason)
    assert not has_waited_too_long("FAILED", "JOB_SUPERVISOR_ACTOR_DIED: JOB_SUPERVISOR_ACTOR_START_TIMEOUT")


@pytest.mark.parametrize(
    "job",
    [
        None,
        5,
        [],
        {},
        {"submission_id": "a"},
        {"submission_id": None, "metadata": {"mcp_bg_job": "j1"}},
        {"metadata": 5},
    ],
)
def test_what_is_no_job_of_ours_is_passed_over(job: object) -> None:
    assert line_of(job) is None


def test_a_job_is_where_its_agent_is() -> None:
    job = {
        "submission_id": "s",
        "metadata": {"mcp_bg_job": "j1"},
        "status": "FAILED",
        "error_type": "SOME",
        "message": "one\ntwo",
        "driver_agent_http_address": "http://[fd00::1]:52365",
    }
    line = line_of(job)
    assert line is not None
    assert (line.nodes, line.reason, line.state, line.job_id) == ("fd00::1", "SOME: one two", "FAILED", "j1")


@pytest.mark.parametrize(
    ("status", "is_growing"),
    [
        ({}, False),
        ({"autoscalerReport": None}, False),
        ({"autoscalerReport": {"nodeTypeMapping": {"ab": "node_ab"}}}, False),
        ({"autoscalerReport": {"nodeTypeMapping": {"ab": "node_ab", "cd": "gpu-workers"}}}, True),
    ],
)
def test_a_cluster_with_kinds_of_nodes_can_grow(status: dict[str, object], *, is_growing: bool) -> None:
    assert grows(status) is is_growing


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("", ""),
        ("gpus=2 cpus=2", ""),
        ("gpus=3", "no node of Ray has gpus=3; the largest has 2"),
        ("cpus=65", "no node of Ray has cpus=65; the largest has 64"),
        ("mem=5G", "no node of Ray has mem=5.36871e+09 bytes; the largest has 4e+09"),
        ("resources=a100:1,licence:1", "no node of Ray has licence=1; the largest has 0"),
        ("gpus=1 resources=a100:0.5", ""),
        ("gpus=2 cpus=64", "no node of Ray has gpus=2 cpus=64 together"),
    ],
)
def test_what_no_node_has_is_told(asked: str, why: str) -> None:
    nodes = [Node({"CPU": 64.0, "memory": 4e9}), Node({"CPU": 2.0, "GPU": 2.0, "memory": 4e9, "a100": 1.0})]
    told = unmet(read(asked).of_one_node(), nodes)
    assert told == why


def test_what_is_free_is_what_no_job_has() -> None:
    nodes = [Node({"CPU": 1.0, "memory": 1e9}), Node({"CPU": 8.0, "GPU": 2.0, "memory": 1e9})]
    part = part_of(nodes, {"loadMetricsReport": {"usage": {"CPU": [2.0, 9.0], "GPU": [0.5, 2.0]}}})
    assert (part.nodes, part.cpus, part.cpus_free, part.gpus, part.gpus_free) == (2, 9, 7, 2, 1)
    unknown = part_of(nodes, {"loadMetricsReport": {"usage": {"CPU": "many"}}})
    assert (unknown.cpus_free, unknown.gpus_free) == (None, 2)
    assert part_of(nodes, {}).cpus_free is None
