"""Why an agent failed, by the words of its error and by the status of its model's server."""

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
    ("message", "reason"),
    [
        ("exceeded retry limit, last status: 429 Too Many Requests", "rate_limit"),
        ("API Error: Request rejected (429) · fake error 429", "rate_limit"),
        ("You've hit your usage limit. Try again at 5 PM.", "rate_limit"),
        ('{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}', "rate_limit"),
        ("Your credit balance is too low to access the API", "rate_limit"),
        ("API Error: 500 fake error 500. This is a server-side issue", "server_error"),
        ("We are currently experiencing high demand, which may cause temporary errors.", "server_error"),
        ("API Error: 529 overloaded_error", "server_error"),
        ("unexpected status 503 Service Unavailable", "server_error"),
        ("error 500", "server_error"),
        ("stream disconnected before completion: stream closed before response.completed", "api_error"),
        ("error sending request for url (http://127.0.0.1:1/v1/responses)", "api_error"),
        ("Connection error.", "api_error"),
        ("TypeError: fetch failed", "api_error"),
        ("unexpected status 400 Bad Request: no", "api_error"),
        ("401 Unauthorized: too many requests with this api key", "auth"),
    ],
)
def test_why_the_model_could_not_be_asked_is_one_word_for_all_agents(message: str, reason: str) -> None:
    assert reason_of(message) == reason


@pytest.mark.parametrize(
    "message",
    ["", "error on line 4012", "status 4010", "wrote 401 files", "429 tests failed", "the author was not found"],
)
def test_any_other_failure_is_not_taken_for_one(message: str) -> None:
    assert reason_of(message) is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        *(
            (401, "auth"),
            (403, "auth"),
            (402, "rate_limit"),
            (429, "rate_limit"),
            (400, "api_error"),
            (404, "api_error"),
        ),
        *((500, "server_error"), (529, "server_error"), (200, None), (-32603, None), (None, None)),
    ],
)
def test_an_http_status_is_enough(status: int | None, reason: str | None) -> None:
    assert reason_of("no", status) == reason
