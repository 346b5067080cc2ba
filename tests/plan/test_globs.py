"""A glob of ours means what the service's means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core._plan.globs import check_globs, choose
from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._listing import glob_pattern
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ["a.jpg", "b.png", "d/a.jpg", "d/e/a.jpg", "d/e/b.png"]


@pytest.mark.parametrize(
    ("include", "exclude", "chosen"),
    [
        pytest.param([], [], NAMES, id="without a glob everything"),
        pytest.param(["*.jpg"], [], ["a.jpg"], id="one star stops at a slash"),
        pytest.param(["**.jpg"], [], ["a.jpg", "d/a.jpg", "d/e/a.jpg"], id="two stars do not"),
        pytest.param(["d/*"], [], ["d/a.jpg"], id="a whole name has to match"),
        pytest.param(["?.png", "d/*"], [], ["b.png", "d/a.jpg"], id="any of several will do"),
        pytest.param(["**[!a].{jpg,png}"], [], ["b.png", "d/e/b.png"], id="sets and choices"),
        pytest.param([], ["d/**"], ["a.jpg", "b.png"], id="what is excluded is not wanted"),
        pytest.param(["**.jpg"], ["d/e/**"], ["a.jpg", "d/a.jpg"], id="nor though it is included"),
        pytest.param(["D/**"], [], [], id="case matters"),
    ],
)
def test_names_are_chosen(include: list[str], exclude: list[str], chosen: list[str]) -> None:
    positions = choose(NAMES, include=include, exclude=exclude).positions
    assert [NAMES[position] for position in positions] == chosen


def test_a_glob_that_includes_nothing_is_told_though_others_do() -> None:
    assert choose(NAMES, include=["*.jpg", "*.gif", "**.jpg"], exclude=["**.jpg"]).unmatched == ("*.gif",)
    assert choose([], include=["**"]).unmatched == ("**",)


def as_the_service(glob: str, name: str) -> bool | None:
    try:
        return glob_pattern(glob).fullmatch(name) is not None
    except ApiError:
        return None


def as_ours(glob: str, name: str) -> bool | None:
    try:
        return bool(choose([name], include=[glob]).positions)
    except InvalidArgument:
        return None


# Written by hand, since neither translation is a witness of the other. What the documentation of matchGlob tells of *,
# **, ?, sets, spans, ! and braces; where it tells nothing, as of a dash at the end of a set, what shells do.
MEANINGS = [
    pytest.param("*", ["", "a", "a.b"], ["a/b", "/"], id="a star is any characters but a slash"),
    pytest.param("a*c", ["ac", "abc"], ["a/c", "abcd"], id="a star is none of them too"),
    pytest.param("**", ["", "a", "a/b/c", "/"], [], id="two stars are any characters"),
    pytest.param("***", ["", "a/b"], [], id="as are more of them"),
    pytest.param("a/**/c", ["a/b/c", "a//c", "a/b/b/c"], ["a/c"], id="slashes beside two stars stay slashes"),
    pytest.param("a?c", ["abc", "a?c"], ["ac", "a/c", "abbc"], id="a question mark is one character but a slash"),
    pytest.param("[ab]", ["a", "b"], ["c", "ab", ""], id="a set is one of its characters"),
    pytest.param("[a-c]", ["a", "b", "c"], ["d", "-"], id="a span is all between its ends"),
    pytest.param("[a-c-e]", ["b", "-", "e"], ["d"], id="no span begins at the end of one"),
    pytest.param("[a-]", ["a", "-"], ["b"], id="a dash at the end is itself"),
    pytest.param("[-a]", ["a", "-"], ["b"], id="a dash at the front is itself"),
    pytest.param("[+--]", ["+", ",", "-"], ["a", "*", "."], id="a dash can end a span"),
    pytest.param("[--0]", ["-", ".", "0"], ["+", "1"], id="a dash can begin a span"),
    pytest.param("[!a]", ["b", "!"], ["a", ""], id="a set that begins with ! is any other character"),
    pytest.param("[^a]", ["b", "^"], ["a", ""], id="or with ^"),
    pytest.param("[a!]", ["a", "!"], ["b", "^"], id="a ! further on is itself"),
    pytest.param("[a^]", ["a", "^"], ["b", "!"], id="a ^ further on is itself"),
    pytest.param("[^!]", ["a", "^"], ["!"], id="a ! behind ^ is itself"),
    pytest.param("[!!]", ["a", "^"], ["!"], id="a ! behind ! is itself"),
    pytest.param("[!^]", ["a", "!"], ["^"], id="a ^ behind ! is itself"),
    pytest.param("[a&&b]", ["a", "&", "b"], [], id="sets are not intersected"),
    pytest.param("[a||~~b]", ["a", "|", "~", "b"], [], id="nor anything else"),
    pytest.param("[[a]", ["[", "a"], [], id="a bracket within a set is itself"),
    pytest.param("[\\d]", ["\\", "d"], ["1"], id="a backslash in a set is itself"),
    pytest.param("[*?{,]", ["*", "?", "{", ","], ["a"], id="so is any sign"),
    pytest.param("{a,bc}", ["a", "bc"], ["b", "a,bc"], id="braces are one of several"),
    pytest.param("x{,y}", ["x", "xy"], ["y"], id="one of which may be empty"),
    pytest.param("{*.jpg,d/**}", ["a.jpg", "d/e/f"], ["e/a.jpg"], id="each is a glob"),
    pytest.param("{[a,b],[}]}", ["a", ",", "b", "}"], ["c"], id="what stands in a set within braces ends nothing"),
    pytest.param("a,b", ["a,b"], ["a", "b"], id="a comma elsewhere is itself"),
    pytest.param("a]}", ["a]}"], ["a"], id="what closes nothing is itself"),
    pytest.param(".+(a)|$^", [".+(a)|$^"], ["x", "xa"], id="signs of regular expressions are themselves"),
    pytest.param("a\nb*", ["a\nbc\nd"], [], id="an end of line is a character"),
]
# Refused rather than guessed at.
BAD = ["[", "[]", "[]a]", "[!]", "[^]", "[b-a]", "[a--]", "a{b", "{a,[b}", "{a,{b,c}}", "{{a}}"]


@pytest.mark.parametrize("matches", [as_ours, as_the_service], ids=["ours", "the emulator's"])
@pytest.mark.parametrize(("glob", "yes", "no"), MEANINGS)
def test_a_glob_means(matches: Callable[[str, str], bool | None], glob: str, yes: list[str], no: list[str]) -> None:
    assert {name: matches(glob, name) for name in [*yes, *no]} == dict.fromkeys(yes, True) | dict.fromkeys(no, False)


@pytest.mark.parametrize("matches", [as_ours, as_the_service], ids=["ours", "the emulator's"])
@pytest.mark.parametrize("glob", BAD)
def test_a_glob_that_means_nothing_is_refused(matches: Callable[[str, str], bool | None], glob: str) -> None:
    assert matches(glob, "a") is None


@settings(max_examples=500)
@given(st.text("ab/*?[]{},!^-.", max_size=8), st.text("ab/[]{},!^-.", max_size=6))
def test_any_glob_matches_what_the_server_has_it_match(glob: str, name: str) -> None:
    assert as_ours(glob, name) is as_the_service(glob, name)


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("{a,{b,c}}", "no '{' between a '{' and its '}'"),
        ("{[b,c", "every '[' to be closed"),
        ("{b,c", "every '{' to be closed"),
        ("[!]", "a character behind '[!'"),
        ("x[z-a]", "spans that go up, unlike 'z-a'"),
    ],
)
def test_a_refusal_names_the_whole_glob_and_what_is_wrong(glob: str, expected: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_globs("include", ["a", glob])
    assert (caught.value.value, caught.value.expected) == (repr(glob), expected)


@pytest.mark.parametrize("globs", ["*.jpg", [1], None, {"*.jpg"}, ["["], ["a{b"], ["[b-a]"]])
def test_what_is_no_list_of_globs_is_refused(globs: object) -> None:
    with pytest.raises(InvalidArgument, match="include="):
        check_globs("include", globs)
