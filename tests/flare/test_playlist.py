"""A playlist comes from a path, a URL or a text; it is a mapping of streams that crosses processes."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

import dataflux_core
from dataflux_core.errors import InvalidArgument, PlaylistInvalid, ServiceRefused
from dataflux_core.flare import Playlist, PlaylistProblem, StreamSpec

if TYPE_CHECKING:
    from pathlib import Path

    from tests.flare.conftest import Site

TEXT = "images:\n  headers: {when: 2026-11-21}\n  content:\n    - https://a.org/1\n"
WRONG = "images:\n  headers: {}\n  content:\n    - file:///1\n    - x\n"


def check(playlist: Playlist, source: str) -> None:
    assert list(playlist) == ["images"]
    assert list(playlist["images"].content) == ["https://a.org/1"]
    assert playlist.source == source
    assert [(problem.line, problem.severity) for problem in playlist.validate()] == [(2, "warning")]


def test_of_a_text() -> None:
    check(Playlist.load(TEXT), "")
    check(Playlist.parse(TEXT.encode(), source="here"), "here")


def test_of_a_path(tmp_path: Path) -> None:
    path = tmp_path / "playlist.yaml"
    path.write_text(TEXT)
    check(Playlist.load(path), str(path))
    check(Playlist.load(str(path)), str(path))
    check(Playlist.load(path.as_uri()), path.as_uri())


def test_of_a_url(site: Site) -> None:
    site.pages["/playlist.yaml?key=1"] = (200, {}, TEXT.encode())
    check(Playlist.load(f"{site.url}/playlist.yaml?key=1"), f"{site.url}/playlist.yaml?key=1")


def test_of_a_url_that_leads_elsewhere(site: Site) -> None:
    site.pages["/a"] = (302, {"Location": "/b"}, b"")
    site.pages["/b"] = (200, {}, TEXT.encode())
    assert len(Playlist.load(f"{site.url}/a")) == 1


def test_a_url_that_leads_to_a_file_is_not_followed(site: Site) -> None:
    site.pages["/a"] = (302, {"Location": "file:///etc/passwd"}, b"")
    with pytest.raises(ServiceRefused):
        Playlist.load(f"{site.url}/a")


def test_a_page_that_is_not_there(site: Site) -> None:
    with pytest.raises(ServiceRefused, match="HTTP 404: .*; correct the URL of the playlist, or load it from where"):
        Playlist.load(f"{site.url}/a")


def test_a_page_of_more_bytes_than_are_read(site: Site) -> None:
    site.pages["/small"] = (200, {}, TEXT.encode())
    site.pages["/large"] = (200, {}, b"#" * 2_000_000)
    with pytest.raises(ServiceRefused, match=f"sends {len(TEXT)} bytes, at most 20 are received"):
        Playlist.load(f"{site.url}/small", max_bytes=20)
    with pytest.raises(ServiceRefused, match="sends 2000000 bytes, at most 1000000 are received"):
        Playlist.load(f"{site.url}/large", max_bytes=1_000_000)


def test_a_file_of_more_bytes_than_are_read(tmp_path: Path) -> None:
    path = tmp_path / "playlist.yaml"
    path.write_text(TEXT)
    with pytest.raises(PlaylistInvalid, match="at most 20 are read"):
        Playlist.load(path, max_bytes=20)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Playlist.load(tmp_path / "none")
    with pytest.raises(InvalidArgument, match="a path, a URL, or a text with line breaks"):
        Playlist.load("\0")
    with pytest.raises(InvalidArgument, match="max_bytes=0"):
        Playlist.load(tmp_path / "none", max_bytes=0)


def test_an_error_has_all_problems_and_names_the_first(tmp_path: Path) -> None:
    path = tmp_path / "playlist.yaml"
    path.write_text(WRONG)
    with pytest.raises(PlaylistInvalid) as raised:
        Playlist.load(path)
    error = raised.value
    assert [problem.path for problem in error.problems] == ["images.content[0]", "images.content[1]"]
    assert str(error) == (
        f"{path}: 4:7: error: images.content[0]: a file: URL; chunks lie on web servers: give an http:// or https:// "
        "URL (and 1 more, see problems)"
    )
    again = pickle.loads(pickle.dumps(error))
    assert (again.args, str(again)) == (error.args, str(error))
    assert isinstance(again.problems[0], PlaylistProblem)


def test_an_error_of_a_text_names_no_secret_of_its_url(site: Site) -> None:
    site.pages["/a?signature=secret"] = (200, {}, b"[]")
    with pytest.raises(PlaylistInvalid) as raised:
        Playlist.load(f"{site.url}/a?signature=secret")
    assert "secret" not in str(raised.value)


def test_a_text_that_is_no_unicode() -> None:
    with pytest.raises(PlaylistInvalid, match="1:4: error: byte 0xed is not UTF-8"):
        Playlist.load("a: \ud800\n")


def test_it_crosses_processes() -> None:
    playlist = Playlist.load(TEXT)
    again = pickle.loads(pickle.dumps(playlist))
    assert dict(again) == dict(playlist)
    assert again["images"].conventions == playlist["images"].conventions
    assert again.validate() == playlist.validate()


def test_many_chunks_take_a_few_times_the_memory_of_their_text() -> None:
    chunks = 20_000
    content = [f"https://data.example.org/images/train/shard-{number:07d}.tar" for number in range(chunks)]
    headers: dict[str, Any] = {"sizes": list(range(chunks)), "sha256": [f"{number:064x}" for number in range(chunks)]}
    text = Playlist([StreamSpec.of("images", content, headers)]).dump()
    tracemalloc.start()
    try:
        playlist = Playlist.parse(text)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert list(playlist["images"].content) == content
    assert dict(playlist["images"].headers) == headers
    assert playlist.validate() == []
    assert peak < 5 * len(text)
    assert held < 3 * len(text)


def test_it_is_a_mapping() -> None:
    playlist = Playlist([StreamSpec.of("b", ["https://a.org/1"]), StreamSpec.of("a", [])])
    assert list(playlist) == ["b", "a"]
    assert ("b" in playlist, "c" in playlist, len(playlist)) == (True, False, 2)
    assert repr(playlist) == "<Playlist: 'b' 1, 'a' 0>"
    with pytest.raises(KeyError, match="no stream 'c'; there are 'b', 'a'"):
        playlist["c"]
    assert playlist.get("c") is None
    with pytest.raises(KeyError, match="no stream 'c'; there are none"):
        Playlist()["c"]
    many = Playlist([StreamSpec.of(str(number), []) for number in range(1000)])
    with pytest.raises(KeyError, match="there are '0', '1', .*'11' and 988 more"):
        many["c"]


def test_what_is_no_file_is_said_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No such file or directory; correct the path of the .*none.yaml'"):
        Playlist.load(tmp_path / "none.yaml")
    with pytest.raises(IsADirectoryError, match="Is a directory; give the playlist in it"):
        Playlist.load(str(tmp_path))
    (tmp_path / "playlist.yaml").touch()
    with pytest.raises(IsADirectoryError, match=f"Is a directory; give {tmp_path}/playlist.yaml: '{tmp_path}'"):
        Playlist.load(tmp_path)


def test_it_says_which_extra_it_needs() -> None:
    script = (
        "import sys; sys.modules['yaml'] = None\n"
        "import dataflux_core.errors\n"
        "try: import dataflux_core.flare\n"
        "except dataflux_core.errors.ExtraMissing as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "an extra is needed for playlists: pip install 'dataflux_core[flare]'\n"


def test_it_is_read_where_yaml_was_built_without_its_library_in_c() -> None:
    script = (
        "import yaml; yaml.__dict__.pop('CSafeLoader', None)\n"
        "from dataflux_core.flare import Playlist\n"
        "from dataflux_core._wire.flare import building\n"
        "print(building.PARSER is yaml.SafeLoader, Playlist.parse('a: {headers: {}, content: [https://a.org/1]}'))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "True <Playlist: 'a' 1>\n"


def test_it_is_imported_when_it_is_asked_for() -> None:
    assert "flare" in dir(dataflux_core)
    assert dataflux_core.flare.Playlist is Playlist
