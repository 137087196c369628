"""Which commands end at once because their input is closed, and what they need instead."""

from __future__ import annotations

import dataclasses

import pytest

from mcp_background_job.core.dialogue.needs_input import missed_input, stdin_for
from mcp_background_job.core.job import Job
from mcp_background_job.core.states import Outcome, State


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("esbuild a.js --bundle --outdir=o --watch", "pipe"),
        ("esbuild a.js --bundle --outdir=o --serve=8000", "pipe"),
        ("esbuild a.js --servedir=www", "pipe"),
        ("npx -y tailwindcss -i a.css -o b.css -w", "pipe"),
        ("npx @tailwindcss/cli -i a.css -o b.css --watch", "pipe"),
        ("cd web && NODE_ENV=development ./node_modules/.bin/esbuild a.js --watch=true", "pipe"),
        ("esbuild a.js --watch | tee build.log", "pipe"),
        ("echo hello\nesbuild a.js --watch &\n", "pipe"),
        ("npm run dev", "pipe"),
        ("pnpm --silent watch:css", "pipe"),
        ("python3 -i", "pipe"),
        ("python3 -i setup.py 'a b'", "pipe"),
        ("/usr/bin/python3.12", "pty"),
        ("node", "pty"),
        ("node -i", "pipe"),
        ("uv run python", "pty"),
        ("bash --norc", "pty"),
        ("psql", "pty"),
        ("PGPASSWORD=x psql -h db -U me shop", "pty"),
        ("sqlite3 a.db", "pty"),
        ("php -a", "pty"),
        ("exec irb", "pty"),
    ],
)
def test_what_lives_by_its_input_is_known(command: str, expected: str) -> None:
    assert stdin_for(command) == expected


@pytest.mark.parametrize(
    "command",
    [
        "true",
        "cat",
        "cat notes",
        "ls dev watch",
        "python3 script.py",
        "python3 -c 'print(1)'",
        "python3 -m http.server",
        "python3 --version",
        "python3 -i < script.py",
        "python3 <<'END'\nprint(1)\nEND",
        "python3 <<'END'\nprint(\"it's\")\nEND",
        "echo 'print(1)' | python3",
        "make | tee log",
        "node index.js",
        "npm test",
        "npm run build",
        "npm install watch-cli",
        "bash script.sh",
        "bash -ic 'nvm ls'",
        "sh -c 'python3 -i; true'",
        "psql -c 'select 1'",
        "psql -f dump.sql shop",
        "sqlite3 a.db 'select 1'",
        "redis-cli GET key",
        "grep -w word file",
        "grep -- --watch file",
        "curl -w '%{http_code}' http://localhost",
        "gh pr checks --watch",
        "sed -i s/a/b/ file",
        "ruby -i -pe '$_.upcase!' file",
        "esbuild a.js --watch=forever",
        "esbuild a.js --watch; echo over",
        "esbuild a.js --watch=false",
        "",
        ";",
        "'",
        "|",
        "A=1",
    ],
)
def test_ordinary_commands_are_not_taken_for_it(command: str) -> None:
    assert stdin_for(command) is None


_REPL = Job(
    job_id="jabcd",
    command="python3 -i",
    cwd="/",
    created_at=1.0,
    started_at=2.0,
    ended_at=2.5,
    state=State.EXITED,
    outcome=Outcome.COMPLETED,
    exit_code=0,
)


def test_only_an_end_with_success_at_once_without_input_is_told_as_that() -> None:
    said = missed_input(_REPL, "closed", has_text=False)
    assert said is not None
    assert 'stdin="pipe"' in said
    for job, stdin, has_text in (
        (_REPL, "pipe", False),
        (_REPL, "closed", True),
        (dataclasses.replace(_REPL, outcome=Outcome.FAILED, exit_code=1), "closed", False),
        (dataclasses.replace(_REPL, ended_at=200.0), "closed", False),
        (dataclasses.replace(_REPL, started_at=None), "closed", False),
        (dataclasses.replace(_REPL, command="true"), "closed", False),
    ):
        assert missed_input(job, stdin, has_text=has_text) is None
