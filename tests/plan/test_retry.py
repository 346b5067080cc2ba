from __future__ import annotations

import pytest

from dataflux_core._plan.retry import RetryPolicy

POLICY = RetryPolicy(initial_s=1.0, multiplier=2.0, maximum_s=10.0, timeout_s=60.0)


@pytest.mark.parametrize(
    ("attempt", "draw", "retry_after_s", "delay_s"),
    [
        pytest.param(1, 1.0, 0.0, 1.0, id="the first pause is at most the initial one"),
        pytest.param(3, 1.0, 0.0, 4.0, id="pauses grow by the multiplier"),
        pytest.param(30, 1.0, 0.0, 10.0, id="never above the maximum"),
        pytest.param(3, 0.5, 0.0, 2.0, id="jitter is uniform below the bound"),
        pytest.param(1, 0.5, 7.0, 7.5, id="Retry-After is obeyed, with jitter on top"),
    ],
)
def test_pauses(attempt: int, draw: float, retry_after_s: float, delay_s: float) -> None:
    assert POLICY.delay_s(attempt, draw=draw, retry_after_s=retry_after_s) == delay_s


def test_no_attempt_starts_after_the_time_limit() -> None:
    assert POLICY.allows(elapsed_s=50.0, delay_s=10.0)
    assert not POLICY.allows(elapsed_s=50.0, delay_s=10.1)


def test_no_time_limit_allows_for_ever() -> None:
    assert RetryPolicy(timeout_s=None).allows(elapsed_s=1e9, delay_s=1e9)
