"""Codes and cookies."""

from __future__ import annotations

import pytest

from mcp_background_job.web.session import CODE_S, COOKIE_S, Sessions


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions("secret", 7420, clock)


def redeemed(sessions: Sessions) -> str:
    cookie = sessions.redeem(sessions.new_code())
    assert cookie
    return cookie


def test_a_code_lets_one_browser_in_once(sessions: Sessions) -> None:
    code = sessions.new_code()

    cookie = sessions.redeem(code)

    assert cookie
    assert sessions.is_known(cookie)
    assert sessions.redeem(code) is None


def test_a_code_is_good_for_ten_minutes_and_a_cookie_for_a_month(sessions: Sessions, clock: Clock) -> None:
    code, cookie = sessions.new_code(), redeemed(sessions)

    clock.now += CODE_S + 1
    assert sessions.redeem(code) is None
    assert sessions.is_known(cookie)

    clock.now += COOKIE_S
    assert not sessions.is_known(cookie)


def test_a_cookie_outlives_the_server_and_a_link_may_be_made_by_another_process(
    sessions: Sessions, clock: Clock
) -> None:
    cookie = redeemed(sessions)
    again = Sessions("secret", 7420, clock)

    assert again.is_known(cookie)
    assert again.redeem(sessions.new_code())


@pytest.mark.parametrize(("secret", "port"), [("another", 7420), ("secret", 7421)])
def test_what_another_state_directory_or_port_has_given_is_worth_nothing(
    sessions: Sessions, clock: Clock, secret: str, port: int
) -> None:
    other = Sessions(secret, port, clock)

    assert sessions.redeem(other.new_code()) is None
    assert not sessions.is_known(redeemed(other))
    assert other.cookie != sessions.cookie or port == 7420


def test_a_code_is_no_cookie_nor_a_cookie_a_code(sessions: Sessions) -> None:
    assert not sessions.is_known(sessions.new_code())
    assert sessions.redeem(redeemed(sessions)) is None


@pytest.mark.parametrize("made", ["", ".", "..", "x.9999999999.", "x.nan.y", "é.1.\udcff", "a" * 10_000])
def test_what_was_never_given_is_refused(sessions: Sessions, made: str) -> None:
    assert sessions.redeem(made) is None
    assert not sessions.is_known(made)


def test_a_time_that_was_put_back_makes_nothing_valid(sessions: Sessions, clock: Clock) -> None:
    nonce, until, mark = redeemed(sessions).split(".")
    clock.now += COOKIE_S + 1

    assert not sessions.is_known(f"{nonce}.{int(until) + COOKIE_S}.{mark}")
