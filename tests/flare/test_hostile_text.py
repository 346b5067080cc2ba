"""A hostile text is refused at the first thing that no playlist has, in bounded time, by a place and a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dataflux_core._wire.flare import building
from dataflux_core._wire.flare.reading import read_playlist
from tests.flare.playlists import read, said

if TYPE_CHECKING:
    from collections.abc import Callable

OK = "s: {headers: {}, content: [https://a.org/1]}\n"


BYTES = [
    pytest.param(OK.encode("utf-16"), "1:1: error: it is UTF-16, a playlist is UTF-8", id="UTF-16"),
    pytest.param(
        b"\xfe\xff" + OK.encode("utf-16-be"),
        "1:1: error: it is UTF-16, a playlist is UTF-8",
        id="UTF-16, the other end first",
    ),
    pytest.param(OK.encode("utf-32"), "1:1: error: it is UTF-32, a playlist is UTF-8", id="UTF-32"),
    pytest.param(OK.encode("utf-16-le"), "1:2: error: a NUL; YAML allows none", id="UTF-16 that does not say so"),
    pytest.param("a: 1\né: ü\n".encode("latin-1"), "2:1: error: byte 0xe9 is not UTF-8", id="Latin-1"),
    pytest.param("✓✓".encode() + b"\xff", "1:3: error: byte 0xff is not UTF-8", id="a column counts characters"),
    pytest.param(b"a: \xed\xa0\x80", "1:4: error: byte 0xed is not UTF-8", id="half a surrogate pair"),
    pytest.param(b"a: \xc0\xaf", "1:4: error: byte 0xc0 is not UTF-8", id="a slash in two bytes"),
    pytest.param(
        b"x" * (1024**2 - 1) + "é".encode() + b"\r\r\n\n\xc3",
        "4:1: error: byte 0xc3 is not UTF-8",
        id="half a character at the end",
    ),
    pytest.param(b"a: 1\0", "1:5: error: a NUL; YAML allows none", id="NUL"),
    pytest.param(
        b"a: 1\n b\x1b[2J", "2:3: error: the control character U+001B; YAML allows none", id="what a terminal obeys"
    ),
    pytest.param(
        "a: 1\u2028b: 2\n".encode(),
        "1:5: error: U+2028 ends a line in YAML 1.1 and none in YAML 1.2",
        id="a line separator",
    ),
    pytest.param(
        "a: 1\x85b: 2\n".encode(), "1:5: error: U+0085 ends a line in YAML 1.1 and none in YAML 1.2", id="a next line"
    ),
    pytest.param(
        "a: \ufeffb\n".encode(), "1:4: error: the control character U+FEFF in the middle", id="a second byte order mark"
    ),
    pytest.param(
        b"%TAG !a! b\n" + OK.encode(),
        '1:1: error: the directive "%TAG !a! b"; only one %YAML 1.1 or 1.2 is read',
        id="a directive of tags",
    ),
    pytest.param(
        b"%YAML 1.2\n%YAML 1.2\n---\n",
        '2:1: error: the directive "%YAML 1.2"; only one %YAML 1.1 or 1.2 is read',
        id="two directives",
    ),
    pytest.param(
        b"%YAML 2.0\n---\n",
        '1:1: error: the directive "%YAML 2.0"; only one %YAML 1.1 or 1.2 is read',
        id="a version to come",
    ),
]


@pytest.mark.parametrize(("content", "expected"), BYTES)
def test_bytes_that_no_playlist_has(content: bytes, expected: str) -> None:
    assert said(content) == [expected]


def test_a_byte_order_mark_is_a_warning() -> None:
    found = read(b"\xef\xbb\xbf" + OK.encode())
    assert [str(problem)[:49] for problem in found.problems] == ["1:1: warning: it begins with a byte order mark; s"]
    assert found.is_valid


YAML = [
    pytest.param("a: &x 1\n", "1:4: error: a: an anchor; a playlist has none", id="an anchor"),
    pytest.param(
        "a: &x [*x]\n",
        "1:8: error: a[0]: an alias; a playlist has none, as they make megabytes of a line",
        id="an alias of itself",
    ),
    pytest.param("&x a: 1\n", "1:1: error: an anchor; a playlist has none", id="an anchor of a name"),
    pytest.param(
        "a: &x {}\n*x : 1\n", "2:1: error: no text but a list, mapping or alias as a name", id="an alias as a name"
    ),
    pytest.param(
        "a: !!python/object/apply:os.system [ls]\n", "1:4: error: a: a tag; a playlist has none", id="a tag of Python"
    ),
    pytest.param("a: !!str 1\n", "1:4: error: a: a tag; a playlist has none", id="a tag of YAML"),
    pytest.param("a: ! 1\n", "1:4: error: a: a tag; a playlist has none", id="a tag that says nothing"),
    pytest.param("!!str a: 1\n", "1:1: error: a tag; a playlist has none", id="a tag of a name"),
    pytest.param("a: {<<: {b: 1}}\n", "1:5: error: a: a merge key; a playlist has none", id="a merge key"),
    pytest.param("a: 1\n---\nb: 2\n", "2:1: error: a second document begins", id="two documents"),
    pytest.param("--- {}\n--- {}\n", "2:1: error: a second document begins", id="two documents on two lines"),
    pytest.param(
        "a: 99999999999999999999\n", "1:4: error: a: a number of more than 64 bits", id="a number that is too large"
    ),
    pytest.param(
        f"a: {'9' * 100_000}\n", "1:4: error: a: a number of 100000 characters", id="a number that takes minutes"
    ),
    pytest.param(
        "a: " + "[" * 16 + "]" * 16,
        "1:19: error: a" + "[0]" * 15 + ": more than 16 lists and mappings within each other",
        id="depth",
    ),
    pytest.param(
        "[" * 200_000,
        "1:17: error: " + "[0]" * 16 + ": more than 16 lists and mappings within each other",
        id="great depth",
    ),
    pytest.param(
        "- " * 5_000,
        "1:33: error: " + "[0]" * 16 + ": more than 16 lists and mappings within each other",
        id="great depth of another kind",
    ),
]


@pytest.mark.parametrize(("text", "expected"), YAML)
@pytest.mark.usefixtures("either_parser")
def test_yaml_that_no_playlist_has(text: str, expected: str) -> None:
    assert expected in said(text)


@pytest.mark.usefixtures("either_parser")
def test_aliases_that_explode_are_refused_one_by_one() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]
    problems = read("\n".join(lines)).problems
    assert {problem.message.split(";")[0] for problem in problems} >= {"an anchor", "an alias"}


def test_depth_up_to_the_limit_is_read() -> None:
    deep = "[" * 13 + "]" * 13
    assert read(f"s: {{headers: {{a: {deep}}}, content: [http://a/]}}").is_valid
    assert not read(f"s: {{headers: {{a: [{deep}]}}, content: [http://a/]}}").is_valid


SYNTAX = [
    pytest.param("a: 'x\n", id="a quote that does not end"),
    pytest.param("a:\n\t- b\n", id="a tab as an indent"),
    pytest.param("a: b: c\n", id="two colons"),
    pytest.param("a: [1, 2\n", id="a list that does not end"),
    pytest.param("a: 1\n b: 2\n", id="an indent out of place"),
    pytest.param('a: "\\q"\n', id="an escape that is none"),
    pytest.param('a: "\\ud800"\n', id="half a surrogate pair"),
    pytest.param('a: "\\U00110000"\n', id="a character that is none"),
    pytest.param("a: @b\n", id="a reserved sign"),
    pytest.param("a: 1\n]\n", id="an end without a start"),
    pytest.param("a: |99\n x\n", id="an indent of two digits"),
]


@pytest.mark.parametrize("text", SYNTAX)
@pytest.mark.usefixtures("either_parser")
def test_what_is_no_yaml_has_a_place(text: str) -> None:
    (problem,) = read(text).problems
    assert problem.severity == "error"
    assert problem.message.startswith(("no YAML: ", "half a surrogate pair"))
    assert problem.line >= 1


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    return lambda name, limit: monkeypatch.setattr(building, name, limit)


@pytest.mark.parametrize(
    ("limit", "text", "expected"),
    [
        pytest.param("MAX_VALUES", "a: [1, 2, 3, 4]\n", "1:14: error: a[3]: more than 3 values", id="values"),
        pytest.param(
            "MAX_CONTAINERS",
            "a: {b: {c: }}\n",
            "1:5: error: a: more than 3 lists, mappings and names",
            id="mappings and names",
        ),
        pytest.param(
            "MAX_CONTAINERS", "[[], [], []]", "1:10: error: [2]: more than 3 lists, mappings and names", id="lists"
        ),
    ],
)
def test_numbers_are_bounded(few: Callable[[str, int], None], limit: str, text: str, expected: str) -> None:
    few(limit, 3)
    assert said(text) == [expected]


def test_bytes_are_bounded() -> None:
    found = read_playlist(b"a" * 101, max_bytes=100)
    assert str(found.problems[0]) == (
        "1:1: error: it has 101 bytes, at most 100 are read; cut it into several playlists, or give a larger max_bytes"
    )


def test_messages_repeat_nothing_that_a_terminal_obeys() -> None:
    text = '"\\e[2J\\u202e": {headers: {encoding: "\\e[2J"}, content: ["https://\\u202e/\\e", "\\e]0;x"]}\n'
    for problem in read(text).problems:
        assert not set(str(problem)) & {"\x1b", "\u202e"}
