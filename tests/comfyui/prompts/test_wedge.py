"""Why a server is stuck, from every combination of what can be seen of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.comfyui.prompts.wedge import Evidence, Wedge, is_worker_dead, told, wedge_of

CASES = {
    "nothing is known": (Evidence(40.0), Wedge.BUSY_STEP),
    "it does not answer": (Evidence(7.0, silent_s=7.0), Wedge.HTTP_DEAD),
    "it is stopped by a signal": (Evidence(7.0, is_suspended=True), Wedge.HTTP_DEAD),
    "it does not answer, and its worker is dead": (Evidence(7.0, silent_s=7.0, worker_gone=True), Wedge.HTTP_DEAD),
    "a thread is missing": (Evidence(4.0, worker_gone=True, all_idle=True), Wedge.WORKER_DEAD),
    "the log tells of the worker's death": (Evidence(4.0, logged_death=True), Wedge.WORKER_DEAD),
    "no thread is missing": (Evidence(40.0, worker_gone=False), Wedge.BUSY_STEP),
    "it computes": (Evidence(40.0, cpu_share=0.9, all_idle=False), Wedge.BUSY_STEP),
    "it waits for a lock": (Evidence(40.0, cpu_share=0.01, all_idle=True), Wedge.IDLE_HANG),
    "it waits for a lock between bursts": (Evidence(40.0, cpu_share=0.5, all_idle=True), Wedge.BUSY_STEP),
    "it waits for a lock, and progress moves": (Evidence(40.0, all_idle=True, progress_moved=True), Wedge.BUSY_STEP),
    "whether it waits is unknown": (Evidence(40.0, cpu_share=0.0), Wedge.BUSY_STEP),
}


@pytest.mark.parametrize("name", CASES)
def test_the_evidence_names_the_wedge(name: str) -> None:
    seen, wedge = CASES[name]
    assert wedge_of(seen) is wedge


def test_every_wedge_has_a_case() -> None:
    assert {wedge for _, wedge in CASES.values()} == set(Wedge)


_evidence = st.builds(
    Evidence,
    watched_s=st.floats(0, 50),
    silent_s=st.just(0.0) | st.floats(0.1, 50),
    worker_gone=st.sampled_from([None, False, True]),
    logged_death=st.booleans(),
    all_idle=st.sampled_from([None, False, True]),
    cpu_share=st.none() | st.floats(0, 8),
    progress_moved=st.booleans(),
    is_suspended=st.booleans(),
    is_far=st.booleans(),
    is_hidden=st.booleans(),
)


@given(_evidence)
def test_a_dead_worker_is_named_only_on_evidence_of_one(seen: Evidence) -> None:
    if wedge_of(seen) is Wedge.WORKER_DEAD:
        assert seen.worker_gone or seen.logged_death
        assert is_worker_dead(seen)


@pytest.mark.parametrize(
    ("seen", "waits"),
    [
        (Evidence(10.0, cpu_share=0.01, all_idle=False), True),
        (Evidence(10.0, cpu_share=0.19, all_idle=False, is_far=True), True),
        (Evidence(10.0, cpu_share=0.9, all_idle=False), False),
        (Evidence(10.0, cpu_share=0.01, all_idle=False, progress_moved=True), False),
        (Evidence(10.0, cpu_share=0.01, all_idle=True), False),
        (Evidence(10.0, cpu_share=0.01), False),
        (Evidence(10.0), False),
        (Evidence(10.0, cpu_share=0.01, all_idle=False, silent_s=7.0), False),
        (Evidence(10.0, cpu_share=0.01, all_idle=False, worker_gone=True), False),
    ],
)
def test_a_step_that_hardly_computes_and_waits_for_no_lock_waits_for_something_outside(
    *, seen: Evidence, waits: bool
) -> None:
    assert ("hardly computes" in " ".join(told(seen))) == waits


@given(_evidence)
def test_every_evidence_is_told_in_sentences(seen: Evidence) -> None:
    sentences = told(seen)
    assert all(sentences)
    assert ("no answer" in " ".join(sentences)) == (seen.silent_s > 0)
    assert ("SIGCONT" in " ".join(sentences)) == seen.is_suspended
    assert ("nothing of its process can be seen" in " ".join(sentences)) == seen.is_hidden
    assert ("cannot be seen from here" in " ".join(sentences)) == seen.is_far
    assert ("thread that was there" in " ".join(sentences)) == bool(seen.worker_gone)
