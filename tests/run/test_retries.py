"""Which failed attempts are made again, with which token."""

from __future__ import annotations

import pytest

from dataflux_core._run.retries import Attempt, Retries, RetryRule
from dataflux_core._wire.message import Answer

REFUSED = Answer(401, (), b"")


class Tokens:
    """A source whose tokens are numbered; `last` is the one after which it has no newer one."""

    def __init__(self, last: int = 1000) -> None:
        self.number = 0
        self.renewals = 0
        self._last = last

    def header(self) -> str:
        return f"Bearer {self.number}"

    def renew(self, stale: str) -> bool:
        if stale == self.header() and self.number < self._last:
            self.number += 1
            self.renewals += 1
        return self.header() != stale


def refused_times(retries: Retries[str], tokens: Tokens, attempt: Attempt[str]) -> int:
    """Refuse each token that an attempt comes with; return how often it was made until it was given up."""
    times = 1
    attempt.begin(tokens.header())
    while retries.again(attempt, REFUSED):
        (again,) = retries.due()
        again.begin(tokens.header())
        times += 1
    return times


@pytest.mark.parametrize(
    ("last", "times"),
    [
        pytest.param(0, 1, id="there is no other token"),
        pytest.param(1, 2, id="the newer one is refused too, there is no third"),
        pytest.param(1000, 6, id="each is refused, though there would be another"),
    ],
)
def test_a_request_whose_token_is_refused_is_made_again_with_a_newer_one(last: int, times: int) -> None:
    tokens = Tokens(last)
    retries: Retries[str] = Retries(RetryRule(), tokens)
    assert refused_times(retries, tokens, Attempt("page")) == times
    assert retries.by_cause.get("401", 0) == times - 1


def test_requests_that_met_the_same_end_of_a_token_share_its_successor() -> None:
    tokens = Tokens()
    retries: Retries[str] = Retries(RetryRule(), tokens)
    attempts = [Attempt(f"page {number}") for number in range(24)]
    for attempt in attempts:
        attempt.begin(tokens.header())
    assert all(retries.again(attempt, REFUSED) for attempt in attempts)
    assert tokens.renewals == 1
