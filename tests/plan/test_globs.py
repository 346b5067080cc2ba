"""A glob of ours means what the service's means."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core._plan.globs import check_globs, choose
from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._listing import glob_pattern
from dataflux_core.errors import InvalidArgument

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


@settings(max_examples=500)
@given(st.text("ab/*?[]{},!^-.", max_size=8), st.text("ab/[]{},!^-.", max_size=6))
def test_any_glob_matches_what_the_server_has_it_match(glob: str, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of the server's: Python may once give "--" in a set a meaning
        assert as_ours(glob, name) is as_the_service(glob, name)


@pytest.mark.parametrize("globs", ["*.jpg", [1], None, {"*.jpg"}, ["["], ["a{b"], ["[b-a]"]])
def test_what_is_no_list_of_globs_is_refused(globs: object) -> None:
    with pytest.raises(InvalidArgument, match="include="):
        check_globs("include", globs)
