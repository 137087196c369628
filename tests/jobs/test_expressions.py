"""Regular expressions that callers give."""

from __future__ import annotations

import pytest

from mcp_background_job.config import load_settings
from mcp_background_job.errors import ConfigError, InvalidRequestError
from mcp_background_job.jobs.output import compile_regex

_DEEP = {
    "groups": "(" * 5000 + "a" + ")" * 5000,
    "groups without a number": "(?:" * 100_000,
    "named groups": "".join(f"(?P<g{number}>" for number in range(3000)) + ")" * 3000,
    "sets": "[" * 10_000,
    "repeats": "a{1,99999999999}",
}


@pytest.mark.parametrize("what", _DEEP)
def test_an_expression_that_cannot_be_compiled_is_refused_in_one_short_sentence(what: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"^grep='.*regular expression") as caught:
        compile_regex(_DEEP[what], "grep")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("what", ["groups", "groups without a number", "repeats"])
def test_the_same_in_a_setting(what: str) -> None:
    with pytest.raises(ConfigError, match="MCP_BG_ALLOWED_COMMANDS"):
        load_settings(allowed_commands=[_DEEP[what]])
