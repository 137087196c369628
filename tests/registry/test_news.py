"""What a store of news promises, asked of both kinds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.news import MAX_PER_READER, Item, Kind, Reader, Way
from mcp_background_job.registry.news import SqliteNews
from mcp_background_job.registry.news_base import News
from mcp_background_job.registry.news_memory import MemoryNews

CLAUDE = Reader("claude@/work/a", "100-1")
OTHER_TALK = Reader("claude@/work/a", "200-1")
CODEX = Reader("codex@/work/a")


@pytest.fixture(params=["memory", "sqlite"])
def news(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[News]:
    news: News = MemoryNews() if request.param == "memory" else SqliteNews(str(tmp_path / "news.sqlite3"))
    yield news
    news.close()


def ended(subject: str, conversation: str = "") -> Item:
    return Item(subject=subject, kind=Kind.ENDED, at=5.0, text=f"{subject} failed", conversation=conversation)


def question(subject: str, key: str) -> Item:
    return Item(subject=subject, kind=Kind.QUESTION, at=5.0, text=f"{subject} asks", key=key)


def subjects(items: list[Item]) -> list[str]:
    return [item.subject for item in items]


def test_nothing_is_new_in_an_empty_store(news: News) -> None:
    assert news.awaited(CLAUDE) == {}
    assert news.conversations(CLAUDE, Way.ANSWER) == set()
    assert news.take(CLAUDE, Way.ANSWER, [""]) == []
    assert news.shown(CLAUDE, "jone") == {}


def test_what_a_reader_awaits_is_known_in_each_of_its_conversations_and_to_no_other_reader(news: News) -> None:
    news.expect(CLAUDE, ["jone"], at=1.0)
    news.expect(OTHER_TALK, ["jtwo"], at=2.0)
    assert news.awaited(CLAUDE) == news.awaited(OTHER_TALK) == {"jone": "100-1", "jtwo": "200-1"}
    assert news.awaited(CODEX) == {}


def test_an_end_is_told_once_and_awaited_no_longer(news: News) -> None:
    news.expect(CODEX, ["jone", "jtwo"], at=1.0)
    news.add(CODEX, [ended("jone")], at=2.0)
    assert set(news.awaited(CODEX)) == {"jtwo"}
    assert news.take(CODEX, Way.ANSWER, [""]) == [ended("jone")]
    assert news.take(CODEX, Way.ANSWER, [""]) == []


def test_readers_are_those_that_await_something_or_have_not_been_told_of_something(news: News) -> None:
    assert news.readers(Way.ANSWER) == set()
    news.expect(CLAUDE, ["jone"], at=1.0)
    news.add(CODEX, [ended("jtwo"), ended("jthree", "300-1")], at=2.0)
    talk = Reader(CODEX.name, "300-1")
    assert news.readers(Way.ANSWER) == {CLAUDE, CODEX, talk}
    news.take(CODEX, Way.ANSWER, [""])
    assert news.readers(Way.ANSWER) == {CLAUDE, talk}
    assert news.readers(Way.PAGE) == {CLAUDE, CODEX, talk}


def test_what_is_dropped_is_awaited_no_longer(news: News) -> None:
    news.expect(CODEX, ["jone", "jtwo"], at=1.0)
    news.drop(CODEX, ["jone", "jnever"])
    assert set(news.awaited(CODEX)) == {"jtwo"}
    assert news.take(CODEX, Way.ANSWER, [""]) == []


def test_a_question_leaves_its_subject_awaited_and_each_question_is_told(news: News) -> None:
    news.expect(CODEX, ["rone"], at=1.0)
    news.add(CODEX, [question("rone", "7"), question("rone", "9"), question("rone", "7")], at=2.0)
    assert [item.key for item in news.take(CODEX, Way.ANSWER, [""])] == ["7", "9"]
    assert set(news.awaited(CODEX)) == {"rone"}


def test_what_one_way_has_told_is_new_for_the_others(news: News) -> None:
    news.add(CODEX, [ended("jone")], at=2.0)
    assert subjects(news.take(CODEX, Way.PAGE, [""])) == ["jone"]
    assert subjects(news.take(CODEX, Way.HOOK, [""])) == ["jone"]
    assert subjects(news.take(CODEX, Way.ANSWER, [""])) == ["jone"]


def test_what_was_told_of_one_subject_is_new_for_other_ways_and_readers(news: News) -> None:
    for reader in (CLAUDE, CODEX):
        news.add(reader, [ended("jone", "100-1"), question("jone", "1"), ended("jtwo")], at=2.0)
    news.tell(CLAUDE, "jone", Way.ANSWER)
    news.tell(CLAUDE, "jnever", Way.ANSWER)
    parts = ["", "100-1"]
    assert subjects(news.take(CLAUDE, Way.ANSWER, parts)) == ["jtwo"]
    assert subjects(news.take(CLAUDE, Way.HOOK, parts)) == ["jone", "jone", "jtwo"]
    assert subjects(news.take(CODEX, Way.ANSWER, parts)) == ["jone", "jone", "jtwo"]
    news.add(CLAUDE, [ended("jone", "100-1"), question("jone", "2")], at=3.0)
    assert [item.key for item in news.take(CLAUDE, Way.ANSWER, parts)] == ["2"]


def test_the_end_of_what_is_spared_stays_new_and_its_question_is_told(news: News) -> None:
    news.add(CODEX, [question("jone", "1"), ended("jone"), ended("jtwo")], at=2.0)
    spared = ["jone", "not \udc80 there"]
    assert news.take(CODEX, Way.ANSWER, [""], spared=spared) == [question("jone", "1"), ended("jtwo")]
    assert news.take(CODEX, Way.ANSWER, [""], spared=spared) == []
    assert news.conversations(CODEX, Way.ANSWER) == {""}
    assert news.take(CODEX, Way.ANSWER, [""]) == [ended("jone")]


def test_the_same_news_from_two_servers_are_told_once(news: News) -> None:
    news.add(CODEX, [ended("jone")], at=2.0)
    news.take(CODEX, Way.ANSWER, [""])
    news.add(CODEX, [ended("jone")], at=3.0)
    assert news.take(CODEX, Way.ANSWER, [""]) == []


def test_a_conversation_takes_only_its_own_news(news: News) -> None:
    news.add(CLAUDE, [ended("jone", "100-1"), ended("jtwo", "200-1")], at=2.0)
    assert news.conversations(CLAUDE, Way.ANSWER) == {"100-1", "200-1"}
    assert subjects(news.take(OTHER_TALK, Way.ANSWER, ["200-1"])) == ["jtwo"]
    assert subjects(news.take(CLAUDE, Way.ANSWER, ["100-1", "200-1"])) == ["jone"]


def test_another_conversation_may_come_to_await_a_subject(news: News) -> None:
    news.expect(CLAUDE, ["jone"], at=1.0)
    news.expect(OTHER_TALK, ["jone"], at=2.0)
    assert news.awaited(CLAUDE) == {"jone": "200-1"}


def test_what_was_shown_is_remembered_by_conversation_subject_and_kind(news: News) -> None:
    news.show(CLAUDE, "jone", {"output": 100}, at=1.0)
    news.show(CLAUDE, "jone", {"/ready/": 40}, at=1.0)
    news.show(OTHER_TALK, "jone", {"output": 7}, at=1.0)
    news.show(CLAUDE, "jone", {"output": 300}, at=2.0)
    assert news.shown(CLAUDE, "jone") == {"output": 300, "/ready/": 40}
    assert news.shown(OTHER_TALK, "jone") == {"output": 7}
    assert news.shown(CLAUDE, "jtwo") == {}


def test_only_so_much_is_kept_for_a_reader(news: News) -> None:
    count = MAX_PER_READER + 3
    for number in range(count):
        news.expect(CODEX, [f"j{number}"], at=float(number))
        news.show(CODEX, f"j{number}", {"output": number}, at=float(number))
    assert set(news.awaited(CODEX)) == {f"j{number}" for number in range(3, count)}
    assert news.shown(CODEX, "j2") == {}
    assert news.shown(CODEX, "j3") == {"output": 3}
    news.add(CODEX, [ended(f"j{number}") for number in range(count)], at=9.0)
    assert subjects(news.take(CODEX, Way.ANSWER, [""])) == [f"j{number}" for number in range(3, count)]


def test_what_is_old_is_forgotten(news: News) -> None:
    for subject, at in (("jold", 1.0), ("jnew", 5.0)):
        news.expect(CODEX, [subject], at=at)
        news.show(CODEX, subject, {"output": 1}, at=at)
        news.add(CODEX, [question(subject, "1")], at=at)
    news.forget(before=3.0)
    assert set(news.awaited(CODEX)) == {"jold", "jnew"}  # a job may run for weeks
    assert news.shown(CODEX, "jold") == {}
    assert subjects(news.take(CODEX, Way.ANSWER, [""])) == ["jnew"]


def test_text_that_no_database_can_hold_is_kept_readable(news: News) -> None:
    reader = Reader("caf\udce9@/tmp/\udcff")
    news.expect(reader, ["jone"], at=1.0)
    news.add(reader, [Item(subject="jone", kind=Kind.ENDED, at=None, text="jone \udc80 failed")], at=2.0)
    (item,) = news.take(reader, Way.ANSWER, [""])
    assert item.text.endswith("failed")


def test_two_servers_share_what_was_told(tmp_path: Path) -> None:
    first, second = (SqliteNews(str(tmp_path / "news.sqlite3")) for _ in range(2))
    first.add(CODEX, [ended("jone")], at=1.0)
    assert subjects(second.take(CODEX, Way.ANSWER, [""])) == ["jone"]
    assert first.take(CODEX, Way.ANSWER, [""]) == []
    first.close()
    second.close()


class Step(NamedTuple):
    what: str
    reader: Reader
    subject: str
    way: Way
    number: int


STEPS = st.builds(
    Step,
    st.sampled_from(["expect", "add", "ask", "take", "tell", "show"]),
    st.sampled_from([CLAUDE, OTHER_TALK, CODEX]),
    st.sampled_from(["jone", "jtwo", "rone"]),
    st.sampled_from(list(Way)),
    st.integers(0, 9),
)


@given(steps=st.lists(STEPS, max_size=40))
def test_both_kinds_answer_alike(tmp_path_factory: pytest.TempPathFactory, steps: list[Step]) -> None:
    memory = MemoryNews()
    database = SqliteNews(str(tmp_path_factory.mktemp("news") / "news.sqlite3"))
    for moment, step in enumerate(steps):
        in_memory, in_database = (carried_out(news, step, float(moment)) for news in (memory, database))
        assert in_memory == in_database
    database.close()


def carried_out(news: News, step: Step, at: float) -> object:
    what, reader, subject, way, number = step
    match what:
        case "expect":
            news.expect(reader, [subject], at=at)
        case "add":
            news.add(reader, [ended(subject, reader.conversation)], at=at)
        case "ask":
            news.add(reader, [question(subject, str(number))], at=at)
        case "tell":
            news.tell(reader, subject, way)
        case "show":
            news.show(reader, subject, {"output": number}, at=at)
        case _:
            return news.take(reader, way, [reader.conversation, ""], spared=[subject] if number > 4 else [])
    return news.awaited(reader), news.conversations(reader, way), news.shown(reader, subject)
