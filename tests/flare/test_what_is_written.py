"""What is written can be read again; what cannot be is said before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dataflux_core._wire.flare import building, extent, reading
from dataflux_core.errors import PlaylistInvalid
from dataflux_core.flare import Playlist, StreamSpec
from tests.flare.playlists import read, said

URL = "https://a.org/1"


@pytest.mark.parametrize("before", ["", "\r", "\n", "\r\n", "# said\r"])
def test_directives_are_refused_whatever_ends_a_line(before: str) -> None:
    (problem,) = read(f"{before}%TAG !a! tag:x\r---\ra: {{headers: {{}}, content: [{URL}]}}\n").problems
    assert "the directive" in problem.message
    many = "%YAML 1.1\r" + "".join(f"%TAG !a{number}! tag:x\r" for number in range(60_000))
    assert not read(f"{many}---\ra: {{}}\n").is_valid  # at once: were they looked up, each would be in all before it


@pytest.mark.parametrize(
    ("value", "text"), [(np.float64(0.5), "0.5"), (np.float64("nan"), ".nan"), (np.float64(1e300), "1.0e+300")]
)
def test_numbers_of_numpy_are_written_as_numbers(value: Any, text: str) -> None:
    dumped = Playlist([StreamSpec.of("a", [URL], {"x": value})]).dump()
    assert f"x: {text}\n" in dumped
    Playlist.parse(dumped)


def test_a_playlist_of_more_streams_than_are_read_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (building, extent):
        monkeypatch.setattr(module, "MAX_CONTAINERS", 5000)

    def made(count: int) -> Playlist:
        return Playlist([StreamSpec.of(f"s{number}", [URL]) for number in range(count)])

    fitting = made(833)  # six lists, mappings, names each
    assert not [problem for problem in fitting.validate() if problem.severity == "error"]
    Playlist.parse(fitting.dump())
    (problem,) = made(834).validate()
    assert "5,000" in str(problem)
    assert "cut it into several" in str(problem)
    with pytest.raises(PlaylistInvalid, match="5,000"):
        made(834).dump()


def test_a_text_longer_than_is_read_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    playlist = Playlist([StreamSpec.of("a", [f"https://a.org/{number:06}" for number in range(1000)])])
    size = len(playlist.dump().encode())
    monkeypatch.setattr(reading, "DEFAULT_MAX_BYTES", size)
    assert playlist.validate() == []
    monkeypatch.setattr(reading, "DEFAULT_MAX_BYTES", size - 1)
    assert [problem.message for problem in playlist.validate()] == [f"it has {size:,} bytes, at most 26.4 KiB are read"]


@pytest.mark.parametrize(
    ("url", "mirror", "sums", "is_warned"),
    [
        pytest.param("https://a.org/d/1", "http://b.org/d/", "", True, id="a mirror anyone may change"),
        pytest.param("https://a.org/d/1", "https://b.org/d/", "", False, id="both by TLS"),
        pytest.param("http://a.org/d/1", "http://b.org/d/", "", False, id="neither by TLS"),
        pytest.param("https://a.org/d/1", "http://b.org/d/", "crc32c: [AAAAAA==], ", False, id="checksums"),
    ],
)
def test_a_mirror_without_tls_is_a_warning(url: str, mirror: str, sums: str, *, is_warned: bool) -> None:
    text = f"a: {{headers: {{{sums}mirrors: ['{mirror}']}}, content: ['{url}']}}\n"
    found = said(text)
    assert bool(found) is is_warned
    assert read(text).is_valid
    if is_warned:
        assert "a.headers.mirrors[0]" in found[0]
        assert "without TLS" in found[0]
