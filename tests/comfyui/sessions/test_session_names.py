"""Names of sessions are of a project, as names of jobs are."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_background_job.comfyui.sessions.sessions import Sessions
from mcp_background_job.errors import (
    AmbiguousNameError,
    ForeignNameError,
    InvalidRequestError,
    UnknownSessionError,
)
from mcp_background_job.registry.journal import SqliteJournal
from mcp_background_job.registry.sessions import SqliteSessions


@pytest.fixture
def sessions(tmp_path: Path) -> Generator[Sessions]:
    journal = SqliteJournal(str(tmp_path / "comfyui.sqlite3"))
    yield Sessions(SqliteSessions(journal.database))
    journal.close()


async def test_a_name_means_the_session_of_the_project(sessions: Sessions) -> None:
    theirs = await sessions.new("cats", "/src/shop")
    old, ours = await sessions.new("cats", "/src/blog"), await sessions.new("cats", "/src/blog")
    assert old != ours
    for changes in (False, True):
        assert await sessions.find("cats", "/src/blog", changes=changes) == ours
        assert await sessions.find("shop/cats", "/src/blog", changes=changes) == theirs
        assert await sessions.find(theirs.session_id, "/src/blog", changes=changes) == theirs
    with pytest.raises(AmbiguousNameError):
        await sessions.find("cats", "/src/wiki")


async def test_another_projects_session_is_looked_at_by_a_name_of_its_own_and_not_added_to(sessions: Sessions) -> None:
    theirs = await sessions.new("big cats/2", "/src/shop")
    assert await sessions.find("big cats/2", "/src/blog") == theirs
    with pytest.raises(ForeignNameError, match=theirs.session_id):
        await sessions.find("big cats/2", "/src/blog", changes=True)
    with pytest.raises(UnknownSessionError):
        await sessions.find("blog/big cats", "/src/blog")


async def test_a_name_with_the_form_of_an_id_is_refused(sessions: Sessions) -> None:
    with pytest.raises(InvalidRequestError, match="form of a session's id"):
        await sessions.new("s0123abcd", "/src/shop")


async def test_a_list_is_of_the_project_and_says_how_many_others_have(sessions: Sessions) -> None:
    ours, below = await sessions.new("cats", "/src/shop"), await sessions.new("dogs", "/src/shop/web")
    await sessions.new("cats", "/src/shop-2")
    await sessions.track(ours, "one")
    await sessions.track(ours, "two")
    await sessions.note_downloads({"two": "/out"})
    listed = await sessions.list("/src/shop/web", "/src/shop", limit=9)
    assert [(row.session, row.prompts, row.downloaded, row.is_current) for row in listed.rows] == [
        (below, 0, 0, True),
        (ours, 2, 1, False),
    ]
    assert listed.elsewhere == 1
    everywhere = await sessions.list("/src/shop/web", "/src/shop", limit=9, all_projects=True)
    assert [row.is_elsewhere for row in everywhere.rows] == [True, False, False]
    assert everywhere.elsewhere == 0
    of_a_name = await sessions.list("/tmp/x", "my project", limit=9)
    assert (of_a_name.rows, of_a_name.elsewhere) == ((), 3)
    assert (await sessions.list("/src/shop-2", "", limit=9)).elsewhere == 2
