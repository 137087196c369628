"""Nobody at a terminal is told of tools and arguments: every sentence that may come there has commands and options."""

from __future__ import annotations

import re

import pytest

from mcp_background_job.cli.parser import build_app
from mcp_background_job.cli.wording import COMMANDS, typed
from mcp_background_job.executors.ray.options import KEYS as OF_RAY
from mcp_background_job.executors.slurm.options import KEYS as OF_SLURM
from tests.sentences import TOOL, sentences
from tests.server.test_tool_list import COMFYUI_TOOLS, JOB_TOOLS, RUN_TOOLS

#: What is said to clients of the server alone, and what is not in words.
_NOT_AT_A_TERMINAL = (
    "server",
    "runner",
    "web",
    "actions/synonyms.py",
    "cli/wording.py",
    "agents/host",
    "executors/slurm/submitting.py",  # the script for sbatch
    "executors/ray/script.py",  # that for Ray
)

#: Arguments that no option gives, so that nobody at a terminal gets them wrong.
_NO_OPTION = ("cursor", "offset", "seq", "max_bytes", "wait_ms")

#: What ``--on`` takes, in these very words.
_OF_PLACES = (*OF_SLURM, *OF_RAY)

_ARGUMENT = re.compile(r"(?<![\w$.?&'\"`/{-])([a-z]+(?:_[a-z]+)*)=")


def test_no_sentence_that_comes_to_a_terminal_names_a_tool_or_an_argument() -> None:
    wrong = {}
    count = 0
    for where, text in sentences(_NOT_AT_A_TERMINAL):
        count += 1
        said = typed(text)
        named = [found[1] for found in (*TOOL.finditer(said), *_ARGUMENT.finditer(said))]
        if left := [name for name in named if name not in (*_NO_OPTION, *_OF_PLACES)]:
            wrong[where] = (left, said[:200])
    assert count > 500
    assert wrong == {}


def test_every_tool_has_its_command() -> None:
    assert sorted(COMMANDS) == sorted(JOB_TOOLS + COMFYUI_TOOLS + RUN_TOOLS)
    app = build_app()
    for command in COMMANDS.values():
        names = [word for word in command.split() if not word.startswith("-")]
        assert len(app.parse_commands(names)[0]) == len(names), command


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("kill_job with signal_only=false stops it", "mcp-background-job kill with --no-signal-only stops it"),
        ('start it with stdin="pty"', "start it with --stdin pty"),
        ("grace_s=-2: too short", "--grace -2: too short"),
        ("get_run says when all is read", "mcp-background-job runs show says when all is read"),
        ('until="a b" is not found', '--until "a b" is not found'),
        ('leftovers="kill" ends it', "--leftovers kill ends it"),
        # What somebody has given stays as it is.
        ("there is no job 'kill_job'", "there is no job 'kill_job'"),
        ("job jx `list_jobs` ended", "job jx `list_jobs` ended"),
        ("'until=3' is no name", "'until=3' is no name"),
        ("/tmp/kill_job is not a directory", "/tmp/kill_job is not a directory"),
    ],
)
def test_a_sentence_for_agents_is_one_for_people(told: str, wanted: str) -> None:
    assert typed(told) == wanted
    assert typed(wanted) == wanted
