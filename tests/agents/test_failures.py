"""Words of an error that tell that the agent has to log in, and words that do not."""

from __future__ import annotations

import pytest

from mcp_background_job.agents.adapters.failures import reason_of


@pytest.mark.parametrize(
    "message",
    [
        "unexpected status 401 Unauthorized: fake error 401, url: http://127.0.0.1/v1/responses",
        "Failed to authenticate. API Error: 401 no",
        '[API Error: {"error":{"code":401,"message":"no","status":"UNAUTHENTICATED"}}]',
        '{"error": {"code": 403}}',
        "HTTP 403",
        "API key not valid. Please pass a valid API key.",
        "Incorrect API key provided: none",
        "Missing environment variable: `OPENAI_API_KEY`.",
        "Invalid x-api-key",
        "Not logged in · Please run /login",
        "authentication_error",
    ],
)
def test_a_missing_or_refused_login_is_told(message: str) -> None:
    assert reason_of(message) == "auth"


@pytest.mark.parametrize(
    "message",
    [
        "",
        "stream disconnected before completion: stream closed before response.completed",
        "exceeded retry limit, last status: 429 Too Many Requests",
        "error on line 4012",
        "status 4010",
        "wrote 401 files",
        "the author was not found",
        "error 500",
    ],
)
def test_any_other_failure_is_not_taken_for_one(message: str) -> None:
    assert reason_of(message) is None


@pytest.mark.parametrize(("status", "reason"), [(401, "auth"), (403, "auth"), (429, None), (None, None)])
def test_an_http_status_is_enough(status: int | None, reason: str | None) -> None:
    assert reason_of("no", status) == reason
