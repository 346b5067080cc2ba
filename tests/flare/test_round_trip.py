"""What is written is read back as it was, by us and by other readers of YAML."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflux_core._wire.flare.building import build
from dataflux_core._wire.flare.conventions import Conventions
from dataflux_core._wire.flare.problems import Problems
from dataflux_core._wire.flare.scalars import meaning_of
from dataflux_core.errors import PlaylistInvalid
from dataflux_core.flare import Playlist, StreamSpec
from tests.flare.playlists import without_libyaml

AWKWARD = [
    "",
    " ",
    "~",
    "null",
    "yes",
    "No",
    "y",
    "1",
    "01",
    "1_000",
    "0x1F",
    "0o7",
    "1:30",
    "1e3",
    ".5",
    ".inf",
    "-",
    "--- a",
    "...",
    "?",
    "a: b",
    "a #b",
    "#a",
    "a:",
    ":a",
    "[a]",
    "{a}",
    "&a",
    "*a",
    "!a",
    "|",
    ">",
    "%a",
    "@a",
    "`a",
    "'a",
    '"a',
    "a\nb",
    "\n",
    "a\n",
    "\t",
    "a\tb",
    "\\",
    "\\n",
    "\0",
    "\x1b[2J",
    "\x7f",
    "\x85",
    "\xa0",
    "\u2028",
    "\u202e",
    "\ufeff",
    "\ufffe",
    "\uffff",
    "é",
    "✓",
    "😀",
    "<<",
    "=",
    "2026-11-21",
    "a  b",
    " a",
    "a ",
    "a" * 200,
    "x" * 2000,
    "https://a.org/x?y=1#z",
]
texts = st.one_of(st.sampled_from(AWKWARD), st.text(st.characters(codec="utf-8"), max_size=30))
numbers = st.one_of(st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False))
values = st.recursive(
    st.one_of(texts, numbers, st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=10), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
names = texts.filter(lambda text: all(character.isprintable() for character in text))
urls = st.text(st.characters(codec="utf-8", categories=["L", "N"]), max_size=10).map(
    lambda path: f"https://a.org/{path}"
)
OURS = {field.name for field in fields(Conventions)}


@st.composite
def playlists(draw: st.DrawFn) -> Playlist:
    def stream(name: str) -> StreamSpec:
        headers: dict[str, Any] = draw(st.dictionaries(texts.filter(lambda text: text not in OURS), values, max_size=4))
        return StreamSpec.of(name, draw(st.lists(urls, max_size=4)), headers)

    return Playlist([stream(name) for name in draw(st.lists(names, unique=True, max_size=3))])


def ordered(value: Any) -> Any:
    """Return a value whose mappings compare by their order too."""
    if isinstance(value, dict):
        return [(name, ordered(item)) for name, item in value.items()]
    if isinstance(value, list):
        return [ordered(item) for item in value]
    return (type(value), value)


def plain(playlist: Playlist) -> dict[str, Any]:
    return {name: {"headers": dict(s.headers), "content": list(s.content)} for name, s in playlist.items()}


@given(playlists())
@settings(deadline=None)
def test_a_playlist_is_read_as_it_was_written(playlist: Playlist) -> None:
    text = playlist.dump()
    again = Playlist.parse(text)
    assert ordered(plain(again)) == ordered(plain(playlist))
    assert again.dump() == text


@given(playlists())
@settings(deadline=None, max_examples=50)
def test_a_reader_of_yaml_1_1_reads_the_same(playlist: Playlist) -> None:
    text = playlist.dump()
    assert ordered(yaml.safe_load(text)) == ordered(plain(playlist))
    assert ordered(yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))) == ordered(plain(playlist))  # noqa: S506


@given(values)
@settings(deadline=None, max_examples=50)
def test_both_parsers_read_the_same(value: Any) -> None:
    text = Playlist([StreamSpec.of("s", ["https://a.org/1"], {"x": value})]).dump().encode()
    fast, _ = build(text, Problems())
    with without_libyaml():
        slow, _ = build(text, Problems())
    assert ordered(fast) == ordered(slow)


@pytest.mark.parametrize("text", AWKWARD)
def test_an_awkward_text_stays_itself_wherever_it_stands(text: str) -> None:
    stream = StreamSpec.of("s", ["https://a.org/1"], {"as value": text, text: {text: 1}, "in a list": [text, [text]]})
    playlist = Playlist([stream])
    assert ordered(plain(Playlist.parse(playlist.dump()))) == ordered(plain(playlist))


@given(st.one_of(st.text("0123456789+-._:eEoxbaTtnyZ ", max_size=12), texts))
@settings(max_examples=500)
def test_what_we_say_both_versions_read_alike_a_reader_of_1_1_does(text: str) -> None:
    meaning = meaning_of(text)
    resolver: Any = yaml.SafeLoader("")
    tag = resolver.resolve(yaml.ScalarNode, text, (True, False))
    kinds = {"null": type(None), "bool": bool, "int": int, "float": float, "str": str}
    kind = kinds.get(tag.rpartition(":")[2])
    if text in ("!", "&", "*"):
        return  # signs, which never stand there
    if not meaning.elsewhere and not meaning.problem:
        assert kind is type(meaning.value)
    elif text not in ("y", "Y", "n", "N") and kind is type(meaning.value):
        # They differ in the number, or the one is stricter than the other about what both take for text.
        assert isinstance(meaning.value, (int, str))


def test_a_playlist_as_it_is_written() -> None:
    stream = StreamSpec.of(
        "images",
        ["https://a.org/x/1.tar", "https://a.org/x/2.tar"],
        {"description": "Photos, of cats", "encoding": "tar", "records": [10, 12], "empty": {}, "note": "yes"},
    )
    assert Playlist([stream]).dump() == (
        "images:\n"
        "  headers:\n"
        "    description: Photos, of cats\n"
        "    encoding: tar\n"
        "    records: [10, 12]\n"
        "    empty: {}\n"
        '    note: "yes"\n'
        "  content:\n"
        "    - https://a.org/x/1.tar\n"
        "    - https://a.org/x/2.tar\n"
    )


def test_no_streams_are_a_playlist_too() -> None:
    assert Playlist().dump() == "{}\n"
    assert len(Playlist.parse("{}\n")) == 0


UNWRITABLE: list[Any] = [
    pytest.param({"x": {1: 2}}, "the name 1 is no text", id="a name that is a number"),
    pytest.param({"x": b"1"}, "a bytes; give None", id="bytes"),
    pytest.param({"x": (1, 2)}, "a tuple; give None", id="a tuple"),
    pytest.param({"x": 1 << 64}, "a number of more than 64 bits", id="a number of 65 bits"),
    pytest.param({"x": "\ud800"}, "half a surrogate pair", id="half a surrogate pair"),
    pytest.param({"\ud800": 1}, "half a surrogate pair", id="half a surrogate pair as a name"),
    pytest.param({"x": [[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}, "more than 16 lists and mappings", id="depth"),
    pytest.param({"sizes": [1, 2]}, "sizes has 2 values, the stream 1 chunk", id="a column that does not fit"),
]


@pytest.mark.parametrize(("headers", "expected"), UNWRITABLE)
def test_what_cannot_be_read_again_is_not_written(headers: dict[str, Any], expected: str) -> None:
    playlist = Playlist([StreamSpec.of("s", ["https://a.org/1"], headers)])
    assert expected in "\n".join(map(str, playlist.validate()))
    with pytest.raises(PlaylistInvalid) as raised:
        playlist.dump()
    assert expected in str(raised.value)


def test_a_wrong_url_is_not_written() -> None:
    with pytest.raises(PlaylistInvalid, match="a file: URL"):
        Playlist([StreamSpec.of("s", ["file:///x"])]).dump()


def test_two_streams_of_one_name_are_refused() -> None:
    with pytest.raises(PlaylistInvalid, match='a second stream of the name "s"'):
        Playlist([StreamSpec.of("s", []), StreamSpec.of("s", [])])
