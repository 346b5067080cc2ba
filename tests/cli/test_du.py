"""`dataflux du` adds up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._cli.du import added_up
from dataflux_core._wire.page import page_of
from tests.cli.terminal import dataflux


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        pytest.param(["gs://mixed"], ["10\t4\tgs://mixed/"], id="the sum of a bucket"),
        pytest.param(["-a", "gs://mixed"], ["19\t6\tgs://mixed/"], id="with temporaries"),
        pytest.param(["-h", "gs://many"], ["1.9 MiB\t20000\tgs://many/"], id="for a person"),
        pytest.param(["gs://empty"], ["0\t0\tgs://empty/"], id="an empty bucket"),
        pytest.param(
            ["-d", "1", "gs://mixed"],
            ["5\t2\tgs://mixed/d/", "4\t1\tgs://mixed/é/", "10\t4\tgs://mixed/"],
            id="a line per directory",
        ),
        pytest.param(
            ["-d", "2", "gs://mixed/d"],
            ["5\t2\tgs://mixed/d/", "3\t1\tgs://mixed/d/e/", "5\t2\tgs://mixed/d"],
            id="as deep as asked, below a prefix",
        ),
    ],
)
def test_sums(arguments: list[str], lines: list[str]) -> None:
    ran = dataflux("du", *arguments)
    assert (ran.returncode, ran.stdout.splitlines(), ran.stderr) == (0, lines, "")


def test_a_prefix_without_objects_is_an_error() -> None:
    ran = dataflux("du", "gs://mixed/none")
    assert (ran.returncode, ran.stdout) == (1, "")


@given(st.dictionaries(st.text("ab/", min_size=1, max_size=8), st.integers(0, 1 << 40)), st.integers(0, 3))
def test_every_directory_has_the_sum_of_what_is_below_it(sizes: dict[str, int], depth: int) -> None:
    names = sorted(sizes)
    pages = [
        page_of(names[start : start + 3], [sizes[name] for name in names[start : start + 3]])
        for start in range(0, len(names), 3)
    ]
    sums = added_up(pages, skip=0, depth=depth)
    assert sums.get("", (0, 0)) == (sum(sizes.values()), len(sizes))
    for directory, (size, count) in sums.items():
        below = [sizes[name] for name in names if name.startswith(directory)]
        assert (size, count) == (sum(below), len(below))
        assert directory.count("/") <= depth
