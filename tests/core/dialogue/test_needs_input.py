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
        # Whatever it is wrapped in.
        ("timeout -k 5 1m python3", "pty"),
        ("stdbuf -oL -e 0 pypy3 -q", "pty"),
        ("setsid -w env -u LANG LC_ALL=C X='a b' nice -n 5 lua", "pty"),
        ("sudo -u postgres psql shop", "pty"),
        ("taskset -c 0 sqlite3", "pty"),
        ("conda run -n lab ipython --no-banner", "pty"),
        ("uv run --with rich -- python3.13 -W ignore", "pty"),
        ("npm exec -- esbuild a.js --watch", "pipe"),
        ("bash -lc 'cd app && timeout 20 node'", "pty"),
        ("sh -c \"zsh -ic 'bc -q'\"", "pipe"),
        # Whatever it is told to ask by.
        ("perl -de0", "pipe"),
        ("perl -wd tool.pl x", "pipe"),
        ("python3 -m code -q", "pipe"),
        ("python -Bm asyncio", "pipe"),
        ("python3 -im json", "pipe"),
        ("python3 -m pdb tool.py", "pipe"),
        ("node --interactive", "pipe"),
        ("node --inspect -r dotenv/config", "pty"),
        ("R --quiet --no-save", "pty"),
        ("ghci Main.hs", "pty"),
        ("gdb -q -ex run ./tool", "pty"),
        ("redis-cli -h db -n 2", "pty"),
        ("mongosh mongodb://db/shop", "pty"),
        ("deno", "pty"),
        ("python manage.py shell", "pty"),
        ("bundle exec rails c -e test", "pty"),
        ("read -rp 'Name? ' name; echo hello $name", "pipe"),
        ("if true; then read -p 'Sure? '; fi", "pipe"),
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
        "python3 script.py -i",
        "python3 -m pip list",
        "python3 -Im http.server",
        "python3 -uc 'print(1)' -i",
        "timeout 5 python3 script.py",
        "env python3 -V",
        "bash -lc 'make -i'",
        "uv pip list",
        "uv run pytest",
        "npx tsc --noEmit",
        "conda list",
        "node -p 1",
        "node --test",
        "perl -pe 's/d/x/' file",
        "perl script.pl -d",
        "psql -Atc 'select 1'",
        "mysql -BNe 'select 1' shop",
        "gdb -batch -ex bt ./tool core",
        "gdb -ex run -ex quit ./tool",
        "redis-cli -h db GET key",
        "duckdb -c 'select 1'",
        "bc sums.txt",
        "echo 1+1 | bc",
        "irb --version",
        "rails routes",
        "python manage.py migrate",
        "read line",
        "read -p x < answers",
        "yes | read -p x",
        "echo read -p x",
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
    said = missed_input(_REPL, "closed", b"", has_text=False)
    assert said is not None
    assert 'stdin="pipe"' in said
    for job, stdin, has_text in (
        (_REPL, "pipe", False),
        (_REPL, "closed", True),
        (_FAILED, "closed", False),
        (dataclasses.replace(_REPL, outcome=Outcome.KILLED), "closed", False),
        (dataclasses.replace(_REPL, ended_at=200.0), "closed", False),
        (dataclasses.replace(_REPL, started_at=None), "closed", False),
        (dataclasses.replace(_REPL, command="true"), "closed", False),
    ):
        assert missed_input(job, stdin, b"", has_text=has_text) is None


_FAILED = dataclasses.replace(_REPL, command="./ask", outcome=Outcome.FAILED, exit_code=1, ended_at=900.0)


@pytest.mark.parametrize(
    ("last", "needed"),
    [
        (b'  File "ask.py", line 3, in <module>\n    x = input()\nEOFError: EOF when reading a line\n', "pipe"),
        (b"ask.rb:1:in `readline': end of file reached (EOFError)\n", "pipe"),
        (
            b'Exception in thread "main" java.util.NoSuchElementException: No line found\n\tat Ask.main(Ask.java:3)\n',
            "pipe",
        ),
        (b"Enter passphrase (empty for no passphrase): ", "pipe"),
        (b"Overwrite? [y/N] ", "pipe"),
        (b"the input device is not a TTY\n", "pty"),
        (b"error: Standard input isn't a terminal\n", "pty"),
        (
            b"sudo: a terminal is required to read the password; use -S\nsudo: a password is required\n",
            "pty",
        ),
    ],
)
def test_what_failed_for_want_of_input_is_known_by_its_last_words(last: bytes, needed: str) -> None:
    said = missed_input(_FAILED, "closed", b"begun\n" * 9 + last, has_text=False)
    assert said is not None
    assert f'stdin="{needed}"' in said
    assert missed_input(_FAILED, "pipe", last, has_text=False) is None
    assert missed_input(_FAILED, "closed", last, has_text=True) is None


@pytest.mark.parametrize(
    "last",
    [
        b"",
        b"error: no such file\n",
        b"EOFError: EOF when reading a line\n= short test summary info =\nFAILED test_ask.py\n1 failed\n",
        b"EOFError: Ran out of input\n",
        b'{"a": [1]}',
        b"downloading: 45% ",
        b"done: \n",
        b"it is not a terminal velocity problem\n",
    ],
)
def test_other_failures_are_not_taken_for_it(last: bytes) -> None:
    assert missed_input(_FAILED, "closed", last, has_text=False) is None
