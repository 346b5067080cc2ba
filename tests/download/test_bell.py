"""A bell wakes whoever waits for it."""

from __future__ import annotations

import os
import resource
from contextlib import closing

import pytest

from dataflux_core._run.reading.bell import Bell

SELECTABLE = 1024  # descriptors from here on are too high for select.select


def test_a_bell_that_rang_is_not_waited_for() -> None:
    with closing(Bell()) as bell:
        bell.ring()
        bell.wait()
        bell.hush()


def test_a_bell_works_where_descriptors_are_many() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SELECTABLE + 100
    if 0 <= hard < wanted:
        pytest.skip("so many descriptors are not allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    held = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while held[-1] < SELECTABLE:
            held.append(os.dup(held[0]))
        with closing(Bell()) as bell:
            assert bell.fileno() >= SELECTABLE
            bell.ring()
            bell.wait()
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
