"""Who is answered: every route, asked by whom it is not for."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator

import pytest

from mcp_background_job.web.files import static_files
from mcp_background_job.web.paths import is_of_page
from tests.web.requests import HEADER, ORIGIN, PORT, Browser

ROUTES = ["/", "/enter", "/static/page.js", "/api/call", "/api/download/log", "/api/picture", "/nothing"]

CALL = {"action": "about"}


@pytest.fixture
async def browser() -> AsyncGenerator[Browser]:
    one = Browser()
    yield one
    await one.close()


@pytest.mark.requirement("page.door")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": f"evil.example:{PORT}"}, 421),
        ({"host": "127.0.0.1:1"}, 421),
        ({"host": f"127.0.0.1.evil.example:{PORT}"}, 421),
        ({"host": ""}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": f"http://localhost:{PORT}"}, 403),  # ours too, but not the one that was asked
        ({"origin": "http://127.0.0.1:3000"}, 403),
        ({"origin": f"https://127.0.0.1:{PORT}"}, 403),
    ],
)
async def test_no_route_answers_under_another_name_or_to_another_origin(
    browser: Browser, headers: dict[str, str], status: int
) -> None:
    await browser.enter()

    for path in ROUTES:
        for method in ("GET", "POST"):
            answer = await browser.client.request(method, path, headers={**HEADER, **headers}, json=CALL)
            assert answer.status_code == status, (method, path)
            assert "facts" not in answer.text


@pytest.mark.requirement("page.door")
async def test_nothing_but_the_static_page_answers_without_the_cookie(browser: Browser) -> None:
    for path in ("/api/call", "/api/download/log?args={}", "/api/picture?prompt=p&ref=r", "/api/nothing"):
        for method in ("GET", "POST", "PUT"):
            answer = await browser.client.request(method, path, headers={**HEADER, "origin": ORIGIN}, json=CALL)
            assert (answer.status_code, answer.json()["code"]) == (401, "no_session"), (method, path)
    browser.client.cookies.set(browser.sessions.cookie, "made.9999999999.up")
    assert (await browser.post("about")).status_code == 401


@pytest.mark.parametrize("part", ["jobs", "comfyui", "runs"])
async def test_a_part_that_is_typed_as_a_path_leads_to_the_page(browser: Browser, part: str) -> None:
    answer = await browser.client.get(f"/{part}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/#/{part}")
    assert is_of_page(f"/{part}")


async def test_a_call_needs_a_header_that_no_form_can_send(browser: Browser) -> None:
    await browser.enter()

    answer = await browser.client.post("/api/call", json=CALL, headers={"origin": ORIGIN})

    assert (answer.status_code, answer.json()["code"]) == (403, "no_page_header")


async def test_a_request_that_another_site_has_begun_is_refused(browser: Browser) -> None:
    await browser.enter()

    for site in ("cross-site", "same-site"):
        answer = await browser.client.get("/api/download/log?args={}", headers={"sec-fetch-site": site})
        assert answer.status_code == 403


async def test_a_link_gives_a_cookie_that_no_script_reads_and_no_other_site_sends(browser: Browser) -> None:
    entered = await browser.enter()

    assert (entered.status_code, entered.headers["location"]) == (303, "/")
    said = entered.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/api"} <= {part.strip() for part in said.split(";")}
    assert "facts" in await browser.call("about")


async def test_a_code_that_is_none_lets_nobody_in(browser: Browser) -> None:
    for path in ("/enter", "/enter?code=", "/enter?code=made.up"):
        answer = await browser.client.get(path)

        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
        assert f"mcp-background-job dashboard --link --port {PORT} prints another." in answer.text


async def test_every_answer_has_the_policy(browser: Browser) -> None:
    for path in ROUTES:
        answer = await browser.client.get(path)

        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_path_that_is_none_of_the_static_files_is_not_there(browser: Browser) -> None:
    for path in ("../app.py", "%2e%2e/app.py", "%2e%2e%2fapp.py", "/etc/passwd", "", "shared", "a%00", "shared/"):
        assert (await browser.client.get(f"/static/{path}")).status_code == 404, path


async def test_a_file_that_a_browser_has_is_not_sent_again(browser: Browser) -> None:
    first = await browser.client.get("/static/page.js", headers={"accept-encoding": "gzip"})

    assert first.headers["content-encoding"] == "gzip"
    assert first.content == static_files()["page.js"].content
    again = await browser.client.get("/static/page.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == "no-cache"


async def test_a_file_that_is_asked_for_by_its_version_need_not_be_asked_for_again(browser: Browser) -> None:
    address = re.search(r"/static/page\.js\?\w+", (await browser.client.get("/")).text)

    assert address
    assert "immutable" in (await browser.client.get(address[0])).headers["cache-control"]
    assert (await browser.client.get("/static/page.js?of-another-release")).headers["cache-control"] == "no-cache"


async def test_what_is_no_call_is_said_to_be_none(browser: Browser) -> None:
    await browser.enter()

    for body in (b"", b"[]", b"{", b'{"action": 1}', b'{"action": "about", "args": []}', b"[" * 100_000, b" " * 2**21):
        answer = await browser.client.post("/api/call", content=body, headers={**HEADER, "origin": ORIGIN})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), body[:20]
