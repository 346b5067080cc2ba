"""What the format demands is an error, what it recommends a warning, each with its line, its column, what to do."""

from __future__ import annotations

import pytest

from tests.flare.playlists import read, said

OK = "s: {headers: {}, content: [https://a.org/1]}\n"


def chunk(url: str) -> str:
    return f"s: {{headers: {{}}, content: [{url}]}}"


VALID = [
    pytest.param(OK, id="the shape alone"),
    pytest.param("%YAML 1.2\n---\n" + OK + "...\n", id="a directive, a document's start and end"),
    pytest.param('{"s": {"headers": {}, "content": ["https://a.org/1"]}}', id="JSON is YAML"),
    pytest.param(OK.replace("\n", "\r\n"), id="lines of another system"),
    pytest.param("# it's\n\n" + OK, id="comments"),
    pytest.param("s:\n  content:\n  - http://a.org\n  headers: {}\n", id="content first, lists not indented"),
    pytest.param('"1": {headers: {}, content: [https://a.org/1]}', id="a number as a name, in quotes"),
    pytest.param("'<<': {headers: {}, content: [https://a.org/1]}", id="a merge key in quotes is a name"),
    pytest.param("? s\n: headers: {}\n  content: [https://a.org/1]\n", id="a name after a question mark"),
    pytest.param(
        "ß✓:\n  headers: {}\n  content:\n  - https://a.org/ß?x=1&y=%20\n", id="names and URLs of any language"
    ),
    pytest.param(
        "s: {headers: {anything: {at: [all, 1, 2.5, null, true]}}, content: ['https://a.org/1']}",
        id="headers of others",
    ),
    pytest.param(chunk("'https://[::1]:8080/a'"), id="a host that is an address"),
    pytest.param(chunk("HTTPS://A.org/1"), id="a scheme in capitals"),
]


@pytest.mark.parametrize("text", VALID)
@pytest.mark.usefixtures("either_parser")
def test_a_valid_playlist_has_no_problems(text: str) -> None:
    found = read(text)
    assert found.problems == ()
    assert len(found.streams) == 1


SHAPE = [
    pytest.param("", "1:1: error: it is empty", id="empty"),
    pytest.param("# nothing\n", "1:1: error: it is empty", id="a comment alone"),
    pytest.param("---\n", "2:1: error: nothing, where streams are expected", id="a document of nothing"),
    pytest.param("[]\n", "1:1: error: a list, where streams are expected", id="a list"),
    pytest.param("\n  s\n", "2:3: error: a single value, where streams are expected", id="a text"),
    pytest.param("s: 1\n", '1:4: error: s: the stream "s" has no headers and content', id="a stream that is a number"),
    pytest.param("s:\n  headers: {}\n", '1:1: error: s.content: the stream "s" has no content', id="no content"),
    pytest.param(
        "s:\n  headers: {}\n  content: x\n", "3:12: error: s.content: content is no list", id="content of text"
    ),
    pytest.param(
        "s:\n  headers: {}\n  content:\n", "3:11: error: s.content: content is no list", id="content of nothing"
    ),
    pytest.param(
        "s:\n  headers: []\n  content: []\n", "2:12: error: s.headers: headers is no mapping", id="headers in a list"
    ),
    pytest.param(
        "s:\n  x: 1\n  headers: {}\n  content: [http://a/]\n",
        '2:6: error: s.x: "x" is no part of a stream',
        id="a third part",
    ),
    pytest.param(
        "a b:\n  headers: {}\n  content:\n  - 1\n",
        '4:5: error: "a b".content[0]: a number, expected a URL',
        id="a number as a chunk",
    ),
    pytest.param(
        "s: {headers: {}, content: [[http://a/]]}",
        "1:28: error: s.content[0]: a list, expected a URL",
        id="lists within",
    ),
    pytest.param(
        "s: {headers: {}, content: [{u: http://a/}]}",
        "1:28: error: s.content[0]: a mapping, expected a URL",
        id="a mapping as a chunk",
    ),
    pytest.param(
        "s: {headers: {}, content: [true]}",
        "1:28: error: s.content[0]: true or false, expected a URL",
        id="true as a chunk",
    ),
    pytest.param(
        "s: {headers: {}, content: [~]}", "1:28: error: s.content[0]: nothing, expected a URL", id="null as a chunk"
    ),
    pytest.param(
        '"a\\0b": {headers: {}, content: [http://a/]}',
        '1:1: error: "a\\x00b": the name "a\\x00b" has a control character in it',
        id="NUL in a name",
    ),
]


@pytest.mark.parametrize(("text", "expected"), SHAPE)
@pytest.mark.usefixtures("either_parser")
def test_the_shape_is_a_must(text: str, expected: str) -> None:
    found = said(text)
    assert expected in [line for line in found if ": error: " in line]
    assert not read(text).is_valid


NAMES = [
    pytest.param("s: 1\ns: 2\n", '2:1: error: s: "s" is here a second time, after line 1', id="a stream twice"),
    pytest.param(
        "s: 1\n's': 2\n", '2:1: error: s: "s" is here a second time, after line 1', id="a stream twice, once in quotes"
    ),
    pytest.param(
        's: 1\n"\\x73": 2\n',
        '2:1: error: s: "s" is here a second time, after line 1',
        id="a stream twice, once escaped",
    ),
    pytest.param(
        "s:\n  headers: {a: 1, b: {c: 1,\n    c: 2}}\n",
        '3:5: error: s.headers.b.c: "c" is here a second time, after line 2',
        id="a header twice, deep",
    ),
    pytest.param(
        "s:\n  content: []\n  headers: {}\n  content: []\n",
        '4:3: error: s.content: "content" is here a second time, after line 2',
        id="content twice",
    ),
    pytest.param("1: {}\n", '1:1: error: the name "1" is a number, expected a text', id="a number"),
    pytest.param("1.5: {}\n", '1:1: error: the name "1.5" is a number, expected a text', id="a float"),
    pytest.param("null: {}\n", '1:1: error: the name "null" is nothing at all, expected a text', id="null"),
    pytest.param("~: {}\n", '1:1: error: the name "~" is nothing at all, expected a text', id="a tilde"),
    pytest.param("? \n: {}\n", '1:2: error: the name "" is nothing at all, expected a text', id="nothing"),
    pytest.param("True: {}\n", '1:1: error: the name "True" is true or false, expected a text', id="true"),
    pytest.param("yes: {}\n", '1:1: error: the name "yes" is true or false in YAML 1.1', id="yes"),
    pytest.param("OFF: {}\n", '1:1: error: the name "OFF" is true or false in YAML 1.1', id="OFF"),
    pytest.param("2026-11-21: {}\n", '1:1: error: the name "2026-11-21" is a date in YAML 1.1', id="a date"),
    pytest.param("12:30: {}\n", '1:1: error: the name "12:30" is a number in YAML 1.1', id="a time"),
    pytest.param("=: {}\n", '1:1: error: the name "=" is a default value in YAML 1.1', id="an equals sign"),
    pytest.param(
        "y: {}\n", '1:1: warning: the name "y" is true or false in YAML 1.1', id="y is a name that people use"
    ),
    pytest.param("[s]: {}\n", "1:1: error: no text but a list, mapping or alias as a name", id="a list as a name"),
    pytest.param(
        "? {a: b}\n: {}\n", "1:3: error: no text but a list, mapping or alias as a name", id="a mapping as a name"
    ),
    pytest.param(
        "s:\n  headers: {yes: 1}\n",
        '2:13: error: s.headers: the name "yes" is true or false in YAML 1.1',
        id="a header named yes",
    ),
]


@pytest.mark.parametrize(("text", "expected"), NAMES)
@pytest.mark.usefixtures("either_parser")
def test_names_are_texts_to_every_reader_and_there_once(text: str, expected: str) -> None:
    assert expected in said(text)


URLS = [
    pytest.param("a/b.tar", '"a/b.tar" is no URL but a part of one', id="a path"),
    pytest.param("//a.org/b", '"//a.org/b" is no URL but a part of one', id="a host without a scheme"),
    pytest.param("''", '"" is no URL but a part of one', id="nothing"),
    pytest.param("file:///etc/passwd", "a file: URL", id="a file of the reader"),
    pytest.param("javascript:alert(1)", "a javascript: URL", id="a script"),
    pytest.param("data:text/plain,x", "a data: URL", id="data"),
    pytest.param("gs://bucket/x", "a gs: URL", id="a bucket"),
    pytest.param("ftp://a.org/x", "a ftp: URL", id="another service"),
    pytest.param("https:a.org/x", '"https:a.org/x" lacks // behind https:', id="no slashes"),
    pytest.param("https://u:secret@a.org/x", "https://a.org/x has a user name or password in it", id="a password"),
    pytest.param("https://u@a.org/x", "https://a.org/x has a user name or password in it", id="a user name"),
    pytest.param("https:///x", '"https:///x" is no URL that can be asked for', id="no host"),
    pytest.param("https://a.org:99999/x", '"https://a.org:99999/x" is no URL that can be asked for', id="no such port"),
    pytest.param(
        "https://a.org\\@b.org/x", '"https://b.org/x" is no URL that can be asked for', id="a backslash before a host"
    ),
    pytest.param(
        "https://a.org\\b/x", '"https://a.org\\b/x" is no URL that can be asked for', id="a backslash in a host"
    ),
    pytest.param("https://a b/x", '"https://a b/x" is no URL that can be asked for', id="a space in a host"),
    pytest.param('" https://a.org/x"', '" https://a.org/x" is no URL but a part of one', id="a space before it"),
    pytest.param(
        '"https://a.org/\\r\\nHost: b"',
        '"https://a.org/\\r\\nHost: b" is no URL that can be asked for',
        id="a line of HTTP",
    ),
    pytest.param('"https://a.org/\\0"', '"https://a.org/\\x00" is no URL that can be asked for', id="NUL"),
    pytest.param("https://[::1/x", '"https://[::1/x" is no URL that can be asked for', id="half an address"),
    pytest.param("https://%61.org/x", '"https://%61.org/x" is no URL that can be asked for', id="an escape in a host"),
]


@pytest.mark.parametrize(("url", "expected"), URLS)
def test_chunks_lie_on_web_servers(url: str, expected: str) -> None:
    text = f"s:\n  headers: {{}}\n  content:\n  - https://a.org/0\n  - {url}\n"
    assert said(text) == [f"5:5: error: s.content[1]: {expected}"]
    assert "secret" not in str(read(text).problems)


SHOULDS = [
    pytest.param("{}\n", "1:1: warning: there is no stream in it", id="a stream"),
    pytest.param("s: {content: [http://a/]}\n", '1:1: warning: s.headers: the stream "s" has no headers', id="headers"),
    pytest.param(
        "s:\n  headers:\n  content: [http://a/]\n",
        '2:11: warning: s.headers: the stream "s" has no headers',
        id="headers that are nothing",
    ),
    pytest.param(
        "s: {headers: {}, content: []}\n", '1:27: warning: s.content: the stream "s" has no chunks', id="chunks"
    ),
    pytest.param(
        "s: {headers: {}, content: [http://a/1, http://a/1]}\n",
        "1:40: warning: s.content[1]: http://a/1 is content[0] as well",
        id="each chunk once",
    ),
    pytest.param(
        "s: {headers: {}, content: ['http://a', 'http://a:80/']}\n",
        "1:40: warning: s.content[1]: http://a:80/ is content[0] as well",
        id="each chunk once, whatever its spelling",
    ),
    pytest.param(
        "s: {headers: {}, content: [http://a/1#x]}\n",
        "1:28: warning: s.content[0]: http://a/1#… has a fragment, which is never sent",
        id="no fragments",
    ),
    pytest.param(
        '" ": {headers: {}, content: [http://a/1]}\n',
        '1:1: warning: " ": the name " " cannot be seen',
        id="a name to be seen",
    ),
    pytest.param(
        "s: {headers: {mirrors: ['http://m/']}, content: ['https://a/1']}\n",
        "1:25: warning: s.headers.mirrors[0]: a mirror without TLS of chunks with it, and no checksums: "
        "nobody could tell what it sends",
        id="mirrors that cannot lie",
    ),
    pytest.param(
        "s: {headers: {a: yes}, content: [http://a/]}\n",
        '1:18: warning: s.headers.a: "yes" is text in YAML 1.2 but true or false in YAML 1.1',
        id="no word that is true to some",
    ),
    pytest.param(
        "s: {headers: {a: 2026-01-01}, content: [http://a/]}\n",
        '1:18: warning: s.headers.a: "2026-01-01" is text in YAML 1.2 but a date in YAML 1.1',
        id="no date that is none to some",
    ),
    pytest.param(
        "s: {headers: {a: 010}, content: [http://a/]}\n",
        '1:18: warning: s.headers.a: "010" is 10 in YAML 1.2 but another number, or text in YAML 1.1',
        id="no octal number",
    ),
    pytest.param(
        "s: {headers: {a: 1e3}, content: [http://a/]}\n",
        '1:18: warning: s.headers.a: "1e3" is 1000.0 in YAML 1.2 but text in YAML 1.1',
        id="no float without a point",
    ),
]


@pytest.mark.parametrize(("text", "expected"), SHOULDS)
@pytest.mark.usefixtures("either_parser")
def test_a_recommendation_is_a_warning(text: str, expected: str) -> None:
    assert said(text) == [expected]
    assert read(text).is_valid


def test_all_errors_are_found_at_once() -> None:
    text = "a: 1\nb: {headers: 2, content: [file:x]}\nb: 3\n4: 5\n"
    assert [problem.line for problem in read(text).problems] == [1, 2, 2, 3, 4]


def test_every_problem_says_what_to_do() -> None:
    tables = [*SHAPE, *NAMES, *SHOULDS]
    problems = [problem for row in tables for problem in read(str(row.values[0])).problems]
    assert len(problems) >= len(tables)
    assert all(problem.advice and problem.message for problem in problems)


def test_a_chunk_twice_is_warned_of_beside_one_that_is_wrong() -> None:
    assert said("s: {headers: {}, content: [x, http://a/1, http://a/2, http://a/1]}\n") == [
        '1:28: error: s.content[0]: "x" is no URL but a part of one',
        "1:55: warning: s.content[3]: http://a/1 is content[1] as well",
    ]


def test_a_million_mistakes_of_a_kind_are_a_hundred_and_a_count() -> None:
    text = "s:\n  headers: {}\n  content:\n" + "  - x\n" * 1_500 + "  - https://a/\n" * 150
    lines = said(text)
    assert len(lines) == 202
    assert lines[-2:] == [
        "103:5: error: 1,400 more errors not shown",
        "1604:5: warning: 49 more warnings not shown",
    ]
