"""Translate the service's times."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the service's times are UTC, both sides of a difference without zone
_SECOND = timedelta(seconds=1)
_LATEST_NS = 2**63 - 1  # 2262: what a file system's 64 bits hold


def nanoseconds(text: str) -> int:
    """Return a time as nanoseconds since 1970, exact; raises ValueError unless it is one of the service's, RFC 3339."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(text)
    seconds = (datetime.fromisoformat(found[1]) - _EPOCH) // _SECOND
    moment_ns = seconds * 1_000_000_000 + int((found[2] or "").ljust(9, "0"))
    if abs(moment_ns) > _LATEST_NS:
        raise ValueError(text)
    return moment_ns
