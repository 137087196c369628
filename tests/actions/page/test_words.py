"""Nobody at a page is told of tools: every sentence that may come there has buttons, or commands."""

from __future__ import annotations

import re

import pytest

from mcp_background_job.actions.page.words import BUTTONS, on_page, pressed
from tests.sentences import TOOL, sentences
from tests.server.test_tool_list import COMFYUI_TOOLS, JOB_TOOLS, RUN_TOOLS

#: What is said to clients of the server alone, and what is not in words.
_ON_NO_PAGE = ("server", "runner", "cli", "actions/synonyms.py", "agents/host")

#: What is answered to calls that pages do not make, and text that is no sentence.
_NEVER_ASKED_BY_PAGES = ("jobs/request.py", "actions/jobs/killing.py", "comfyui/prompts/graphs", "executors/ray", "web")

_ARGUMENT = re.compile(r"""(?<![\w-])[a-z_]+=(?:"|true\b|false\b|none\b)""")


def test_no_sentence_that_comes_to_a_page_names_a_tool() -> None:
    said = [(where, pressed(text)) for where, text in sentences(_ON_NO_PAGE)]

    assert len(said) > 500
    assert [(where, text[:200]) for where, text in said if TOOL.search(text)] == []


def test_no_sentence_that_comes_to_a_page_names_an_argument() -> None:
    said = [(where, pressed(text)) for where, text in sentences((*_ON_NO_PAGE, *_NEVER_ASKED_BY_PAGES))]

    assert len(said) > 500
    assert [(where, text[:200]) for where, text in said if _ARGUMENT.search(text)] == []


def test_every_tool_has_its_button() -> None:
    assert sorted(BUTTONS) == sorted(JOB_TOOLS + COMFYUI_TOOLS + RUN_TOOLS)


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (
            "kill -CONT 7 lets it go on, restart_comfyui ends it",
            "kill -CONT 7 lets it go on, “Restart ComfyUI…” ends it",
        ),
        (
            'comfyui_cancel_job makes sure, restart_comfyui(force=true, requeue="pending") helps',
            "“Cancel” makes sure, “Restart ComfyUI…” helps",
        ),
        ("kill_job with signal_only=false stops the job", "“Stop” stops the job"),
        ("which tail_job_output explains", "which its log explains"),
        (
            "(comfyui_clear_history(keep=0) removes it)",
            "(mcp-background-job comfyui clear-history --keep 0 removes it)",
        ),
        ('by default (requeue="none") nothing is', "by default (“submit nothing again”) nothing is"),
        (
            'comfyui_submit(prompt_id="ID") submits a lost prompt again',
            "mcp-background-job comfyui submit --again ID submits a lost prompt again",
        ),
        ('pass stdin="pty" to it', "pass --stdin pty to it"),
        ('if it was started with stdin="pipe" or "pty"', "if it was started with --stdin pipe or pty"),
        ('it was started with leftovers="kill"', "it was started with --leftovers kill"),
        ("interrupt=true stops it now; force=true goes ahead", "“Cancel now” stops it now; --force goes ahead"),
        # What somebody has given stays as it is.
        ("there is no action 'kill_job'", "there is no action 'kill_job'"),
        ("job jx `list_jobs` ended", "job jx `list_jobs` ended"),
        ("job jx `sh --stdin=force=true` ended", "job jx `sh --stdin=force=true` ended"),
        ("/tmp/kill_job is not a directory", "/tmp/kill_job is not a directory"),
    ],
)
def test_a_sentence_for_agents_is_one_for_people_who_look(told: str, wanted: str) -> None:
    assert pressed(told) == wanted
    assert pressed(wanted) == wanted


def test_only_sentences_of_ours_are_said_otherwise() -> None:
    facts = {"name": "kill_job", "alerts": ["ask list_jobs"], "detail": None, "took_s": 1}

    assert on_page(facts, "alerts", "detail", "trouble") == facts | {"alerts": ["ask the page Jobs"]}
