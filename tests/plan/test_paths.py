"""Names become paths below one directory."""

from __future__ import annotations

from itertools import combinations
from pathlib import PurePosixPath
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dataflux_core._plan.own_files import aside_name, is_aside, is_own, lock_name, token_of_lock
from dataflux_core._plan.paths import (
    MAX_COMPONENT_BYTES,
    PathPlan,
    directories_of,
    encoded,
    flaw_of,
    name_of_path,
    plan_paths,
)
from dataflux_core.errors import UnsafeName

# Legal object names: UTF-8, no CR, no LF; the characters that paths care about come often.
names = st.text(
    st.one_of(st.sampled_from("/.%2eF\x00\x01~aAé-"), st.characters(codec="utf-8", exclude_characters="\r\n")),
    min_size=1,
    max_size=40,
)
long_names = st.builds(
    lambda unit, count, rest: (unit * count)[:1000] + rest,
    st.sampled_from(["a", ".", "é", "%41", "\x01"]),
    st.integers(250, 400),
    names,
)
any_names = st.one_of(names, long_names)

LOCK = ".dataflux-0123456789abcdef.lock"  # how a download calls a file of its own


@pytest.mark.parametrize(
    ("name", "flaw"),
    [
        pytest.param("../x", "'..', which names no file", id="a step up is refused"),
        pytest.param("a/../../x", "'..', which names no file", id="a step up in the middle is refused"),
        pytest.param("a/..", "'..', which names no file", id="a step up at the end is refused"),
        pytest.param("./x", "'.', which names no file", id="a dot is refused: it would land on x"),
        pytest.param("/etc/passwd", "'', which names no file", id="an absolute path is refused"),
        pytest.param("a//b", "'', which names no file", id="an empty part is refused: it would land on a/b"),
        pytest.param("a/", "'', which names no file", id="a slash at the end is refused"),
        pytest.param("a\x00b", "control character", id="a NUL is refused"),
        pytest.param("a\x1b[2Jb", "control character", id="an escape sequence is refused"),
        pytest.param("a\x85b", "control character", id="a C1 control is refused"),
        pytest.param("x" * 256, "256 bytes is longer than the 255", id="a part of 256 bytes is refused"),
        pytest.param("d/" + "é" * 128, "256 bytes is longer than the 255", id="length is counted in bytes"),
        pytest.param(LOCK, "its own files", id="the file that tells what to remove"),
        pytest.param("d/.dataflux-0123456789abcdef-7.part", "its own files", id="a file that is not whole, anywhere"),
        pytest.param(".DataFlux-0123456789ABCDEF.Lock", "its own files", id="either in another case"),
    ],
)
def test_a_name_that_is_no_path_is_refused_by_name(name: str, flaw: str) -> None:
    with pytest.raises(UnsafeName) as caught:
        plan_paths(["good", name])
    assert caught.value.name == name
    assert flaw in caught.value.reason


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("a/b.txt", id="an ordinary name"),
        pytest.param("x" * 255, id="255 bytes"),
        pytest.param("...", id="three dots are a name"),
        pytest.param(".hidden/..b/c..", id="dots beside other characters"),
        pytest.param("100%", id="a percent sign stays as it is unless names are encoded"),
        pytest.param("a%2Fb", id="what looks like an escape stays as it is unless names are encoded"),
        pytest.param("日本/✓ b\\c: *?", id="any other character"),
        pytest.param(f"{LOCK}/a", id="a directory that is called like a file of ours"),
        pytest.param(f"{LOCK}.txt", id="a name that goes on behind that of a file of ours"),
    ],
)
def test_a_safe_name_is_its_own_path(name: str) -> None:
    assert plan_paths([name]) == PathPlan([name])


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param("a/b c.txt", "a/b c.txt", id="a safe name stays"),
        pytest.param("../x", "%2E%2E/x", id="the dots of a step up"),
        pytest.param("a/./b", "a/%2E/b", id="the dot of a step nowhere"),
        pytest.param("/etc/passwd", "%2Fetc/passwd", id="the slash that would make it absolute"),
        pytest.param("a//b", "a/%2Fb", id="the second of two slashes"),
        pytest.param("a///b", "a/%2F%2Fb", id="each further slash"),
        pytest.param("dir/", "dir%2F", id="a slash at the end"),
        pytest.param("a\x00b\x85", "a%00b%C2%85", id="control characters, as their UTF-8"),
        pytest.param("100%", "100%25", id="a percent sign at the end of a part"),
        pytest.param("a%2fb", "a%252fb", id="what would read as an escape"),
        pytest.param("5% off", "5% off", id="no percent sign that reads as itself"),
        pytest.param("x" * 300, "x" * 254 + "%/" + "x" * 46, id="a long part goes on in a directory"),
        pytest.param("." * 256, "." * 254 + "%/%2E%2E", id="what is left of a long part is no step up"),
        pytest.param(f"d/{LOCK}", f"d/%2E{LOCK[1:]}", id="the dot of a name of ours"),
        pytest.param(
            "x" * 254 + LOCK, "x" * 254 + f"%/%2E{LOCK[1:]}", id="what is left of a long part is none of ours"
        ),
    ],
)
def test_encoding(name: str, path: str) -> None:
    assert plan_paths([name], unsafe="encode").paths == [path]
    assert name_of_path(path) == name


@pytest.mark.parametrize(
    ("clashing", "kept", "reason"),
    [
        pytest.param(["a", "a/b"], ["%/a", "a/b"], "directory of other objects", id="a file that is a directory too"),
        pytest.param(["d/a/b/c", "d/a"], ["d/a/b/c", "d/%/a"], "directory of other", id="in any order, at any depth"),
    ],
)
def test_two_names_never_share_a_file(clashing: list[str], kept: list[str], reason: str) -> None:
    with pytest.raises(UnsafeName, match=f"{reason}.*, choose to encode or to skip unsafe names"):
        plan_paths(clashing)
    assert plan_paths(clashing, unsafe="encode").paths == kept
    skipping = plan_paths(clashing, unsafe="skip")
    assert [skipped.name for skipped in skipping.skipped] == [min(clashing, key=len)]
    assert [path for path in skipping.paths if path is not None] == [max(clashing, key=len)]


@pytest.mark.parametrize("unsafe", ["refuse", "encode"])
def test_a_name_that_is_there_twice_is_refused(unsafe: str) -> None:
    with pytest.raises(UnsafeName, match="there twice; nothing is written, choose to skip unsafe names"):
        plan_paths(["a", "b", "a"], unsafe=unsafe)  # type: ignore[arg-type]
    assert plan_paths(["a", "b", "a"], unsafe="skip").paths == ["a", "b", None]


@pytest.mark.parametrize(
    "twins",
    [
        pytest.param(["readme", "README", "ReadMe"], id="letters of another case"),
        pytest.param(["caf\u00e9", "cafe\u0301"], id="composed and decomposed accents"),
        pytest.param(["A/x", "a"], id="a file and a directory of another case"),
    ],
)
def test_where_the_file_system_folds_case_twins_are_kept_apart(twins: list[str]) -> None:
    assert plan_paths(twins).paths == twins
    with pytest.raises(UnsafeName):
        plan_paths(twins, folds_case=True)
    paths = plan_paths(twins, unsafe="encode", folds_case=True).paths
    assert [name_of_path(path or "") for path in paths] == twins
    assert len({(path or "").casefold() for path in paths}) == len(twins)


@pytest.mark.parametrize("unsafe", ["refuse", "encode"])
def test_a_path_longer_than_the_system_allows_is_refused_even_encoded(unsafe: str) -> None:
    name = "/".join(["x" * 200] * 5)
    with pytest.raises(UnsafeName, match="longer than 1000 bytes.*, choose to skip unsafe names"):
        plan_paths([name], unsafe=unsafe, max_path_bytes=1000)  # type: ignore[arg-type]
    assert plan_paths([name, "b"], unsafe="skip", max_path_bytes=1000).paths == [None, "b"]


@pytest.mark.parametrize("unsafe", ["refuse", "encode"])
def test_an_empty_name_is_refused_even_encoded(unsafe: str) -> None:
    with pytest.raises(UnsafeName, match="names no file.*, choose to skip unsafe names"):
        plan_paths([""], unsafe=unsafe)  # type: ignore[arg-type]


def assert_safe(paths: list[str]) -> None:
    for path in paths:
        for component in path.split("/"):
            assert component not in {"", ".", ".."}
            assert len(component.encode()) <= MAX_COMPONENT_BYTES
            assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in component)
        assert PurePosixPath("/target", path).as_posix() == f"/target/{path}"
    assert len(set(paths)) == len(paths)
    assert not directories_of(paths).intersection(paths)


@given(st.lists(any_names, unique=True, max_size=12))
def test_encoded_paths_are_safe_distinct_and_reversible(listed: list[str]) -> None:
    plan = plan_paths(listed, unsafe="encode")
    paths = [path for path in plan.paths if path is not None]
    assert not plan.skipped
    assert_safe(paths)
    assert [name_of_path(path) for path in paths] == listed


@given(st.lists(any_names, max_size=12))
@example(["a", "a/b", "a/b/c", "a//b"])
def test_skipping_reports_each_name_that_has_no_path(listed: list[str]) -> None:
    plan = plan_paths(listed, unsafe="skip")
    kept = [path for path in plan.paths if path is not None]
    assert_safe(kept)
    assert all(path in (None, name) for path, name in zip(plan.paths, listed, strict=True))
    assert sorted([*kept, *(skipped.name for skipped in plan.skipped)]) == sorted(listed)


@given(st.lists(any_names, max_size=8))
def test_refusing_gives_every_name_itself_or_nothing(listed: list[str]) -> None:
    try:
        paths = plan_paths(listed).paths
    except UnsafeName as error:
        assert error.name in listed  # noqa: PT017 - refused is one of two right answers
    else:
        assert list(paths) == listed
        assert_safe(listed)


@given(st.lists(any_names, unique=True, max_size=8))
def test_a_folding_file_system_gets_paths_distinct_when_folded(listed: list[str]) -> None:
    paths = [path or "" for path in plan_paths(listed, unsafe="encode", folds_case=True).paths]
    assert all(first.casefold() != second.casefold() for first, second in combinations(paths, 2))
    assert [name_of_path(path) for path in paths] == listed


@given(names)
def test_a_short_name_is_found_again_by_any_percent_decoder(name: str) -> None:
    assert unquote(encoded(name)) == name
    assert not flaw_of(encoded(name))


@given(st.from_regex(r"[0-9a-f]{16}", fullmatch=True), st.integers(0, 10**9))
def test_no_object_gets_the_name_of_a_file_of_ours(token: str, number: int) -> None:
    for name in (lock_name(token), aside_name(token, number)):
        assert is_own(name)
        assert flaw_of(name)
        assert not is_own(encoded(name).rpartition("/")[2])
    assert token_of_lock(lock_name(token)) == token
    assert is_aside(aside_name(token, number), token)
