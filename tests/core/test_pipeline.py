"""Whether the last command of a shell text is a pipeline, and what its stages say."""

from __future__ import annotations

import pytest

from mcp_background_job.core.aftermath import hidden_failure
from mcp_background_job.core.pipeline import ends_in_pipeline

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
    "! a | b",
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
    "trap x EXIT; a | b",
    "a | b)",
    "done | a",
]


@pytest.mark.parametrize("text", PIPELINES)
def test_a_text_that_ends_in_a_pipeline_is_known_for_one(text: str) -> None:
    assert ends_in_pipeline(text)


@pytest.mark.parametrize("text", OTHERS)
def test_any_other_text_is_none(text: str) -> None:
    assert not ends_in_pipeline(text)


@pytest.mark.parametrize(
    ("stages", "exit_code", "told"),
    [
        ([3, 0], 0, "an earlier stage of its pipeline exited 3 (exit codes of the stages: 3, 0)"),
        ([0, 2, 1], 1, "an earlier stage of its pipeline exited 2 (exit codes of the stages: 0, 2, 1)"),
        ([141, 0], 0, None),
        ([141, 4, 0], 0, "an earlier stage of its pipeline exited 4 (exit codes of the stages: 141, 4, 0)"),
        ([0, 7], 7, None),
        ([3, 0], 3, None),
        ([3], 3, None),
        ([], 0, None),
        ([3, 0], None, None),
    ],
)
def test_an_earlier_stage_that_failed_is_told_if_the_code_is_the_last_one_s(
    stages: list[int], exit_code: int | None, told: str | None
) -> None:
    assert hidden_failure(stages, exit_code) == told
