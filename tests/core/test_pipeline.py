"""Whether the last command of a shell text is a pipeline, and what its stages say."""

from __future__ import annotations

import pytest

from mcp_background_job.core.aftermath import hidden_failure
from mcp_background_job.core.pipeline import pipelines
from mcp_background_job.core.telling import Telling, telling

PIPELINES = [
    "a | b",
    "a|b\n",
    "a |& b",
    "a | b;",
    "a |\n  b",
    "a \\\n | b",
    "set -e; a | b",
    "a && b | c",
    "time a | b",
    "x=1 y=2 cmd 2>&1 | tee log >| f",
    "cd x && make 2>&1 | tail -5",
    "a | b # c; d",
    "echo 'a; b' | cat",
    'echo "$(echo "x; y")" | cat',
    "echo $(a; b) | c",
    "echo `a; b` | c",
    "echo ${x:-;} | c",
    "cat <(a; b) | c",
    "cat <<EOF | wc\nit's; a 'here document\nEOF\n",
    "cat <<-'E O F' | wc\n\tx;\n\tE O F\n",
    "( exit 3 ) | cat",
    "{ exit 3; } | cat",
    "for i in 1 2; do echo $i; done | tail -1",
    "while read x; do echo $x; done < f | cat",
    "a | while read x; do echo $x; done",
    "if a; then b; fi | c",
    "if true; then a | b; else c; fi | d",
    "x=(a b); echo ${x[1]} | cat",
    "f() { a; }; f | cat",
]
OTHERS = [
    "",
    "a",
    "a || b",
    "a | b; c",
    "a | b && c",
    "a | b || true",
    "a | b &",
    "a | b & wait",
    "a >| f",
    "echo 'a | b'",
    'echo "a | b',
    "echo a \\| b",
    "# a | b",
    "[[ x =~ a|b ]]",
    "a | b; [[ $x == y ]]",
    "echo $((1|2))",
    "(a | b)",
    "{ a | b; }",
    "x=$(a | b)",
    "cat <<EOF\na | b\nEOF",
    "if a | b; then c; fi",
    "for i in 1; do a | b; done",
    "case x in a|b) c;; esac",
    "f() { a | b; }; f",
    "set -o pipefail; a | b",
    "a | b)",
    "done | a",
]


@pytest.mark.parametrize("text", PIPELINES)
def test_a_text_that_ends_in_a_pipeline_is_known_for_one(text: str) -> None:
    assert pipelines(text).is_last


@pytest.mark.parametrize("text", OTHERS)
def test_any_other_text_is_none(text: str) -> None:
    assert not pipelines(text).is_last


def tells(what: str, *told: tuple[str, ...], untold: str | None = None) -> Telling:
    return Telling("at_end" in what, "passed" in what, told, untold)


PYTEST = ["pytest", "tail -5"]
GREP = ["grep -c x log", "wc -l"]


@pytest.mark.parametrize(
    ("ended", "pipelines", "told"),
    [
        (
            [[3, 0]],
            [PYTEST],
            "an earlier stage of its pipeline, `pytest`, exited 3 (exit codes of the stages: 3, 0)",
        ),
        ([[0, 2, 1]], [], "an earlier stage of its pipeline exited 2 (exit codes of the stages: 0, 2, 1)"),
        (
            [[1, 0]],
            [PYTEST, GREP],
            "an earlier stage of its pipeline, `pytest` or `grep -c x log`, exited 1 (exit codes of the stages: 1, 0)",
        ),
        (
            [[1, 0], [2, 0]],
            [GREP, GREP],
            "an earlier stage of its pipeline, `grep -c x log`, exited 2 (exit codes of the stages: 2, 0)",
        ),
        (
            [[141, 4, 0]],
            [PYTEST, ["a", "b", "c"]],
            "an earlier stage of its pipeline, `b`, exited 4 (exit codes of the stages: 141, 4, 0)",
        ),
        (
            [[1, 0], [5, 0]],
            [GREP, ["make -s", "cat"]],
            "an earlier stage of its pipeline, `grep -c x log` or `make -s`, exited 5 (exit codes of the stages: 5, 0)",
        ),
        ([[1, 0]], [GREP], None),
        ([[1, 0]], [["LC_ALL=C /usr/bin/diff a b", "head"]], None),
        ([[1, 0]], [["git diff --exit-code", "head"]], None),
        ([[141, 0]], [PYTEST], None),
        ([[0, 7]], [PYTEST], None),
        ([[3], []], [], None),
        ([], [PYTEST], None),
    ],
)
def test_an_earlier_stage_that_failed_is_told(
    ended: list[list[int]], pipelines: list[list[str]], told: str | None
) -> None:
    assert hidden_failure(ended, pipelines) == told


@pytest.mark.parametrize(
    ("text", "shell", "told"),
    [
        ("make 2>&1 | tee log && echo done", "bash", tells("at_end passed", ("make 2>&1", "tee log"))),
        ("npm test | tail; ls", "bash", tells("passed", ("npm test", "tail"))),
        ("npm test | tail", "bash", tells("at_end", ("npm test", "tail"))),
        ("npm test | tail", "zsh", tells("at_end", ("npm test", "tail"))),
        ("npm test | tail; ls", "zsh", Telling(untold="npm test")),
        ("npm test | tail; ls", "", Telling(untold="npm test")),
        ("npm test | tail && npm run build", "bash", Telling(untold="npm test")),
        ("! a | b", "bash", tells("at_end", ("a", "b"))),
        ("time a | b", "bash", tells("at_end", ("a", "b"))),
        # A trap before each command would cost a loop many times what it does.
        ("for i in 1; do a | b; done", "bash", tells("at_end", ("a", "b"), untold="a")),
        ("a | b; while c; do d; done", "bash", tells("at_end", ("a", "b"), untold="a")),
        ("until a; do b; done; c | d; e", "bash", Telling(untold="c")),
        ("if x; then for ((;;)); do a; done; fi; c | d", "bash", tells("at_end", ("c", "d"))),
        ('a | b; eval "$x"; c | d', "bash", tells("at_end", ("a", "b"), ("c", "d"), untold="a")),
        ("a | while read x; do c; done; d", "bash", tells("passed", ("a", "while read x; do c; done"))),
        ("for x in 1; do a; done | b; d", "bash", tells("passed", ("for x in 1; do a; done", "b"))),
        ("shopt -s lastpipe; a | while b; do c; done; d", "bash", Telling(untold="a")),
        ("f() { while a; do b; done; }; c | d; f", "bash", tells("passed", ("c", "d"))),
        ("(while a; do b; done); c | d; :", "bash", tells("passed", ("c", "d"))),
        ("ulimit -f 1; a | b", "bash", Telling(untold="a")),
        ("set -er; a | b", "bash", Telling(untold="a")),
        ("if a | b; then c; fi; d", "bash", tells("passed", ("a", "b"))),
        ("f() { a | b; }; f", "bash", Telling(untold="a")),
        ("function f () { a | b; }\nf; c | d", "bash", tells("at_end", ("c", "d"), untold="a")),
        ("(a | b)", "bash", Telling(untold="a")),
        ("(a | b) | c", "bash", tells("at_end", ("(a | b)", "c"), untold="a")),
        ("a | b; (c); echo", "bash", tells("passed", ("a", "b"), untold="a")),
        ("trap 'echo bye' TERM; a | b", "bash", Telling(untold="a")),
        ("set -vx; a | b", "bash", Telling(untold="a")),
        ("set -o pipefail; a | b", "bash", Telling()),
        ("echo hi | cat", "", Telling()),
        ("printf x | a | cat", "", Telling(untold="a")),
        ("a | b & wait", "zsh", Telling()),
        ("c; a | b && c & wait", "", Telling()),
        ("{ a | b; c; } & d | e", "", Telling(untold="d")),
        ("x=$(a | b); c", "bash", Telling()),
        ("a | b)", "bash", Telling()),
    ],
)
def test_what_a_shell_is_had_to_tell(text: str, shell: str, told: Telling) -> None:
    assert telling(text, shell) == told


@pytest.mark.parametrize(
    ("text", "shell", "background"),
    [
        ("npm run api & sleep 5; echo up", "bash", ("npm run api",)),
        ("cd app && ./serve --port 1 2>&1 &\nwait", "bash", ("./serve --port 1 2>&1",)),
        ("a | b & (c) & wait", "bash", ("a | b", "(c)")),
        ("for i in 1 2; do a & done; wait", "bash", ("",)),
        ("f() { a & }; f; wait", "bash", ("",)),
        (". ./functions; a & b & up; wait", "bash", ("",)),
        ("a & npm test", "bash", ()),  # bash becomes npm, if it has no trap
        ("a & wait -n; echo", "bash", ()),
        ("a & jobs; wait", "bash", ()),
        ("a > >(b) & wait", "bash", ()),
        ("trap 'kill 0' EXIT; a & wait", "bash", ()),
        ("a & wait", "zsh", ()),
        ("a &> log; b >&2", "bash", ()),
    ],
)
def test_what_a_shell_is_had_to_tell_of_the_background(text: str, shell: str, background: tuple[str, ...]) -> None:
    assert telling(text, shell).background == background


@pytest.mark.parametrize(
    ("text", "each"),
    [
        ("a & wait", False),  # the last one is the only one
        ("a & b & wait", True),
        ("if a; then b & fi; wait", True),
        ("for i in 1 2; do a & done; wait", False),
    ],
)
def test_where_the_shell_stops_before_each_command_for_the_background(text: str, *, each: bool) -> None:
    assert telling(text, "bash").each == each
