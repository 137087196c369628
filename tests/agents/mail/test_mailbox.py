"""A mailbox on disk: numbers without gaps, each message to one reader once, nothing unread lost, whoever dies when."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from mcp_background_job.agents.mail import mailbox
from mcp_background_job.agents.mail.mailbox import MAX_MAILBOX, MAX_MESSAGE, MAX_PAGE, Mailbox, Page
from mcp_background_job.errors import InvalidRequestError, RunStateError, StateDirError
from mcp_background_job.jobdir import lock
from mcp_background_job.jobdir.layout import MailDir


@pytest.fixture
def place(tmp_path: Path) -> MailDir:
    """Where the messages are."""
    return MailDir(str(tmp_path / "mail" / "sabcdef"))


@pytest.fixture
def box(place: MailDir) -> Mailbox:
    """A mailbox that nobody has used."""
    return Mailbox(place)


def _put(box: Mailbox, *words: str) -> list[int]:
    numbers = [box.put({"body": word}) for word in words]
    return [number for number in numbers if number is not None]


def _take(box: Mailbox, after_seq: int | None = None, limit: int = 100) -> Page:
    page = box.take(after_seq, limit)
    assert page is not None
    return page


def _words(page: Page) -> list[str]:
    return [message["body"] for message in page.messages]


def test_messages_are_fetched_in_turn_once_and_behind_a_number_again(box: Mailbox) -> None:
    assert _take(box) == Page([], 0)
    assert _put(box, "eins", "zwei\nZeilen", "trois \N{SNOWMAN}") == [1, 2, 3]

    assert _words(_take(box, limit=2)) == ["eins", "zwei\nZeilen"]
    assert box.unfetched() == 1
    assert _words(_take(box, after_seq=1)) == ["zwei\nZeilen", "trois \N{SNOWMAN}"]
    assert _words(_take(box)) == ["trois \N{SNOWMAN}"], "who looks again takes nothing from who fetches in turn"
    assert _take(box) == Page([], 3)
    assert _take(box, after_seq=99) == Page([], 99)
    assert _put(box, "vier") == [4]
    assert _words(_take(box)) == ["vier"]


def test_what_a_writer_left_that_died_is_no_message_and_the_next_one_is_whole(box: Mailbox, place: MailDir) -> None:
    _put(box, "one")
    with open(place.messages, "ab") as file:
        file.write(b'{"seq": 2, "body": "tor')

    assert _words(_take(box, after_seq=0)) == ["one"]
    assert _put(box, "two") == [2]
    assert _words(_take(box, after_seq=0)) == ["one", "two"]


def test_what_a_disk_has_lost_hides_no_other_message_and_no_number_is_given_twice(box: Mailbox, place: MailDir) -> None:
    _put(box, "one", "two", "three")
    lines = Path(place.messages).read_bytes().splitlines(keepends=True)
    Path(place.messages).write_bytes(lines[0] + b'{"seq": 2, "bo\0\0\n' + b"\0" * len(lines[2]) + b"\n")
    assert _words(_take(box)) == ["one"]
    assert _put(box, "next") == [3]
    assert _words(_take(box)) == ["next"]

    Path(place.messages).unlink()
    assert _put(box, "fresh") == [4], "a number that was fetched would never be told again"
    assert _words(_take(box)) == ["fresh"]
    Path(place.fetched).write_text("[]")
    assert _words(_take(box)) == ["fresh"], "rather twice than never"


def test_of_many_readers_and_writers_at_once_each_message_reaches_one(box: Mailbox) -> None:
    got: list[int] = []
    done = threading.Event()

    def write(who: int) -> None:
        for number in range(50):
            while box.put({"body": f"{who} {number}"}) is None:
                pass

    def read() -> None:
        while not done.is_set() or box.unfetched():
            page = box.take(None, 7)
            got.extend(message["seq"] for message in page.messages) if page else None

    writers = [threading.Thread(target=write, args=(who,)) for who in range(3)]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in (*writers, *readers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()

    assert sorted(got) == list(range(1, 151))


def test_a_page_is_no_flood(box: Mailbox) -> None:
    _put(box, *["x" * 50_000] * 4)
    assert 50_000 * len(_take(box).messages) <= MAX_PAGE + 50_000
    assert len(_take(box).messages) == 2


def test_what_is_too_long_is_refused_whole(box: Mailbox, place: MailDir) -> None:
    with pytest.raises(InvalidRequestError, match="at most 65,536 are taken: put what is long into a file"):
        box.put({"body": "x" * MAX_MESSAGE})
    assert not Path(place.messages).exists()


def test_fetched_messages_make_room_and_others_are_never_dropped(
    box: Mailbox, place: MailDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "MAX_MAILBOX", 2000)
    word = "x" * 175  # 200 bytes with what stands around it
    assert len(_put(box, *[word] * 10)) == 10
    with pytest.raises(RunStateError, match="nobody has fetched 10 messages in it"):
        box.put({"body": word})
    assert box.unfetched() == 10

    _take(box, after_seq=0, limit=3)  # by somebody who only looked
    assert _put(box, "y") == [11]
    page = _take(box, limit=100)
    assert [message["seq"] for message in page.messages] == list(range(4, 12))
    assert _put(box, *[word] * 4) == [12, 13, 14, 15]
    assert Path(place.messages).stat().st_size <= 2000
    assert [message["seq"] for message in _take(box).messages] == [12, 13, 14, 15]
    assert MAX_MAILBOX > 60 * MAX_MESSAGE


def test_while_somebody_else_is_at_it_nothing_is_done(box: Mailbox, place: MailDir) -> None:
    _put(box, "one")
    with lock.held(place.lock) as got:
        assert got
        assert box.put({"body": "two"}) is None
        assert box.take(None, 1) is None
    assert _words(_take(box)) == ["one"]


def test_a_full_disk_delivers_nothing_and_says_so(
    box: Mailbox, place: MailDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(box, "one")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mailbox.os, "fsync", full)
    with pytest.raises(StateDirError, match="No space left on device"):
        box.put({"body": "two"})
    monkeypatch.undo()

    assert [json.loads(line)["body"] for line in Path(place.messages).read_text().splitlines()] == ["one"]
