"""The service's times are read to the nanosecond."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._wire.times import nanoseconds


@pytest.mark.parametrize(
    ("text", "moment_ns"),
    [
        pytest.param("1970-01-01T00:00:00Z", 0, id="the beginning"),
        pytest.param("2026-11-01T08:30:00Z", 1_793_521_800_000_000_000, id="whole seconds"),
        pytest.param("2026-11-01T08:30:00.123Z", 1_793_521_800_123_000_000, id="milliseconds, as is usual"),
        pytest.param("2026-11-01T08:30:00.1Z", 1_793_521_800_100_000_000, id="a short fraction"),
        pytest.param("2026-11-01T08:30:00.123456789Z", 1_793_521_800_123_456_789, id="nanoseconds"),
        pytest.param("1969-12-31T23:59:59.5Z", -500_000_000, id="before the beginning"),
    ],
)
def test_a_time_is_exact(text: str, moment_ns: int) -> None:
    assert nanoseconds(text) == moment_ns


@given(st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(2250, 1, 1)))  # noqa: DTZ001 - made UTC below
def test_any_time_is_that_of_the_calendar(moment: datetime) -> None:
    moment = moment.replace(tzinfo=timezone.utc)
    seconds, fraction_ns = divmod(nanoseconds(moment.isoformat().replace("+00:00", "Z")), 1_000_000_000)
    assert datetime.fromtimestamp(seconds, timezone.utc) == moment.replace(microsecond=0)
    assert fraction_ns == moment.microsecond * 1000


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("2026-11-01", id="a date"),
        pytest.param("2026-11-01 08:30:00Z", id="no T between"),
        pytest.param("2026-11-01T08:30:00+02:00", id="another zone"),
        pytest.param("2026-13-01T00:00:00Z", id="a thirteenth month"),
        pytest.param("2026-11-01T08:30:00.1234567890Z", id="finer than nanoseconds"),
        pytest.param("9999-01-01T00:00:00Z", id="later than 64 bits of nanoseconds tell"),
        pytest.param("0001-01-01T00:00:00Z", id="earlier than they tell"),
    ],
)
def test_what_is_no_time_of_the_service_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=".*"):
        nanoseconds(text)
