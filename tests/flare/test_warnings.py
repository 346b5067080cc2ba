"""The page on the format has every warning that a playlist can be given, and none that it cannot."""

from __future__ import annotations

import re

from dataflux_core._wire.flare.headers import _ALMOST
from tests.docs.test_documents import ROOT
from tests.flare.playlists import headed, read
from tests.flare.test_headers import WRONG
from tests.flare.test_must_and_should import NAMES, SHOULDS

PAGE = ROOT / "docs/reference/flare.md"
MANY = "s: {headers: {}, content: [" + "'https://a.org/1#', " * 150 + "]}"


def documented() -> list[str]:
    """Return the warnings of the table, "…" where they differ."""
    section = PAGE.read_text().partition("\n## Warnings\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)


def given() -> set[str]:
    """Return those of the playlists that other tests are about."""
    tables = [str(row.values[0]) for row in [*SHOULDS, *NAMES]] + [headed(str(row.values[0])) for row in WRONG]
    texts = [*tables, "\ufeff{}", MANY]
    return {problem.message for text in texts for problem in read(text).problems if problem.severity == "warning"}


def test_every_warning_is_on_the_page_once() -> None:
    patterns = {row: re.compile(".+?".join(map(re.escape, row.split("…")))) for row in documented()}
    found = {message: [row for row, pattern in patterns.items() if pattern.fullmatch(message)] for message in given()}
    assert [message for message, rows in found.items() if len(rows) != 1] == []
    assert set(patterns) - {row for rows in found.values() for row in rows} == set()


def test_every_name_that_is_almost_one_of_ours_is_there() -> None:
    (row,) = re.findall(r"^\| `… means nothing to this reader` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert set(re.findall("`(.+?)`", row)) == set(_ALMOST)


def test_what_is_advised_is_warned_of_no_more() -> None:
    texts = [
        "a: {headers: {x: [1.0e+3, 10, 'yes']}, content: ['https://a.org/%23']}",
        "'y': {headers: {}, content: [http://a/]}",
    ]
    assert [read(text).problems for text in texts] == [(), ()]
