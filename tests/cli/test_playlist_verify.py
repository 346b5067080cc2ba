"""`dataflux playlist info`, `cat`, `verify` tell what a playlist names, what is there, what is wrong with it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core._cli.playlist_options import patient
from dataflux_core._data.flare.packing import PackOptions, pack
from dataflux_core.flare import Conventions, Playlist, StreamSpec
from tests.cli.terminal import TIMEOUT_S, dataflux, dataflux_process, seen_at_terminal
from tests.flare.serving import served, write_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = {f"{letter}.{extension}": f"{letter} {extension}".encode() for letter in "abcd" for extension in ("jpg", "txt")}


@dataclass(frozen=True)
class Site:
    """Two servers of the same chunks, one in a directory of its own."""

    url: str
    mirror: str
    root: Path

    @property
    def playlist(self) -> str:
        return f"{self.url}main/playlist.yaml"


@pytest.fixture(scope="module")
def _roots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, str]]:
    root = tmp_path_factory.mktemp("site")
    with served(root) as url, served(root) as other:
        yield root, url, other


@pytest.fixture
def site(_roots: tuple[Path, str, str], tmp_path: Path) -> Site:
    """A pack of its own for each test, below a directory of the test's name."""
    root, url, other = _roots
    name = tmp_path.name
    found = Site(f"{url}{name}/", f"{other}{name}/", root / name)
    options = PackOptions(f"{found.url}main/", chunk_bytes=10, mirrors=(f"{found.mirror}copy/",))
    pack(write_files(tmp_path / "src", FILES), found.root / "main", options)
    write_files(found.root / "copy", {path.name: path.read_bytes() for path in (found.root / "main").iterdir()})
    return found


def test_all_that_is_right_is_counted_by_host(site: Site) -> None:
    ran = dataflux("playlist", "verify", site.playlist)
    assert (ran.returncode, ran.stdout) == (0, "")
    hosts = [url.partition("/test")[0] for url in (site.url, site.mirror)]
    assert ran.stderr.splitlines() == [f"{host}: 4 chunks, 40.0 KiB, all right" for host in hosts]


def test_each_flaw_is_named_with_its_mirror_and_all_else_is_read(site: Site) -> None:
    copy = site.root / "copy"
    (copy / "samples-00000.tar").unlink()
    damaged = bytearray((copy / "samples-00001.tar").read_bytes())
    damaged[600] ^= 1
    (copy / "samples-00001.tar").write_bytes(damaged)
    (site.root / "main/samples-00003.tar").write_bytes(b"short")
    ran = dataflux("playlist", "verify", "--patience", "0", site.playlist)
    assert ran.returncode == 1
    lines = ran.stdout.splitlines()
    assert lines[0] == f"samples.content[0] {site.mirror}copy/samples-00000.tar: HTTP 404: Not Found"
    assert lines[1].startswith(f"samples.content[1] {site.mirror}copy/samples-00001.tar: crc32c ")
    assert lines[2].startswith(f"samples.content[3] {site.url}main/samples-00003.tar: size 5 bytes, the playlist says ")
    assert len(lines) == 3
    assert "4 chunks, 30.0 KiB, 1 wrong" in ran.stderr
    assert ran.stderr.endswith(f"dataflux: {site.playlist}: 3 flaws\n")
    ran = dataflux("playlist", "verify", "--json", "-q", "--patience", "0", site.playlist)
    said = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(flaw["chunk"], flaw["error"]) for flaw in said] == [
        (0, "ServiceRefused"),
        (1, "ChunkWrong"),
        (3, "ChunkWrong"),
    ]


def test_a_host_that_is_down_is_one_line_and_a_flaw_of_each_of_its_chunks(site: Site) -> None:
    path = site.root / "main/playlist.yaml"
    path.write_text(path.read_text().replace(site.mirror, "http://127.0.0.1:9/"))
    (site.root / "main/samples-00003.tar").write_bytes(b"short")
    ran = dataflux("playlist", "verify", "--patience", "0", str(path))
    assert ran.returncode == 1
    wrong, down = ran.stdout.splitlines()
    assert wrong.startswith("samples.content[3] ")
    assert down.startswith("http://127.0.0.1:9: cannot connect (")
    assert down.endswith("): 4 chunks of it not to be had")
    assert "http://127.0.0.1:9: 4 chunks, 0 B, 4 wrong" in ran.stderr
    flaws = dataflux("playlist", "verify", "--patience", "0", "--json", str(path)).stdout.splitlines()
    assert [json.loads(flaw)["chunk"] for flaw in flaws] == [0, 1, 2, 3, 3]


def test_records_are_counted(site: Site) -> None:
    stream = Playlist.load(site.playlist)["samples"]
    headers = dict(stream.headers)
    headers["records"] = [1, 1, 2, 1]
    path = site.root / "wrong.yaml"
    path.write_text(Playlist([StreamSpec.of("samples", list(stream.content), headers)]).dump())
    ran = dataflux("playlist", "verify", str(path))
    assert ran.returncode == 1
    where = f"samples.content[2] {site.url}main/samples-00002.tar: chunk 2 of stream 'samples'"
    assert ran.stdout == f"{where}: it has 1 record, the playlist says 2; correct the header records\n"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        pytest.param({"encoding": "tfrecord"}, 'its encoding "tfrecord"', id="an encoding"),
        pytest.param({"encoding": "tar", "compression": "br"}, 'its compression "br"', id="a compression"),
        pytest.param({"dtype": "float8", "shape": [4]}, 'its dtype "float8"', id="numbers"),
    ],
)
def test_records_of_a_kind_that_is_not_known_are_no_flaw(headers: dict[str, Any], reason: str, site: Site) -> None:
    stream = Playlist.load(site.playlist)["samples"]
    known = {name: value for name, value in stream.headers.items() if name != "encoding"}
    path = site.root / "other.yaml"
    others = StreamSpec.of("it's", list(stream.content), {**known, **headers, "records": [7, 8, 9, 10]})
    path.write_text(Playlist([stream.spec, others]).dump())
    ran = dataflux("playlist", "verify", str(path))
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr.splitlines()[-1] == (
        f'stream "it\'s": records not checked: {reason} is not known to this version'
    )
    assert dataflux("playlist", "verify", "-q", str(path)).stderr == ""
    (site.root / "main/samples-00003.tar").write_bytes(b"short")
    ran = dataflux("playlist", "verify", "--stream", "it's", str(path))
    assert ran.returncode == 1
    (line,) = ran.stdout.splitlines()
    assert line.startswith(f'"it\'s".content[3] {site.url}main/samples-00003.tar: size 5 bytes, the playlist says ')
    assert "records not checked" in ran.stderr


def verified_without_extras(path: Path, *specs: StreamSpec) -> subprocess.CompletedProcess[str]:
    """Run the command where nothing is installed that could decode."""
    path.write_text(Playlist(specs).dump())
    program = (
        "import sys; sys.modules.update(dict.fromkeys(['numpy', 'pyarrow', 'PIL', 'av'])); "
        "from dataflux_core._cli.root import run; sys.exit(run(['playlist', 'verify', *sys.argv[1:]]))"
    )
    command = [sys.executable, "-c", program, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)


def test_chunks_that_are_one_record_are_counted_without_what_decodes_them(site: Site) -> None:
    urls = [f"{site.url}main/samples-0000{number}.tar" for number in range(2)]
    kinds = ("image", "video", "audio")
    specs = [StreamSpec.of(kind, urls, {"encoding": kind, "records": [1, 2]}) for kind in kinds]
    ran = verified_without_extras(site.root / "whole.yaml", *specs)
    assert ran.returncode == 1
    assert [line.partition(" ")[0] for line in ran.stdout.splitlines()] == [f"{kind}.content[1]" for kind in kinds]
    assert ran.stdout.count("it has 1 record, the playlist says 2") == 3


@pytest.mark.parametrize("headers", [{"encoding": "npy"}, {"encoding": "text", "compression": "zstd"}])
def test_what_is_not_installed_is_no_flaw_of_a_copy(headers: dict[str, Any], site: Site) -> None:
    spec = StreamSpec.of("a", [f"{site.url}main/samples-00000.tar"], {**headers, "records": [1]})
    ran = verified_without_extras(site.root / "coded.yaml", spec)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "pip install 'dataflux_core[streaming]'" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_copies_without_a_checksum_are_compared_with_each_other(site: Site) -> None:
    urls = [f"{site.url}main/samples-0000{number}.tar" for number in range(2)]
    headers = Conventions(mirrors=(f"{site.mirror}copy/",)).headers()
    path = site.root / "bare.yaml"
    path.write_text(Playlist([StreamSpec.of("bare", urls, headers)]).dump())
    ran = dataflux("playlist", "verify", str(path))
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "neither size nor checksum of 2 chunks" in ran.stderr
    (site.root / "copy/samples-00001.tar").write_bytes(b"other")
    ran = dataflux("playlist", "verify", str(path))
    assert ran.returncode == 1
    assert f"bare.content[1] {site.mirror}copy/samples-00001.tar: sha256 " in ran.stdout
    assert f"none, but {urls[1]} has " in ran.stdout


def test_info_reads_nothing_but_the_playlist(site: Site) -> None:
    for path in (site.root / "main").glob("*.tar"):
        path.unlink()
    ran = dataflux("playlist", "info", site.playlist)
    host, mirror_host = (url.partition("/test")[0] for url in (site.url, site.mirror))
    assert ran.stdout.splitlines() == [
        "samples: 4 chunks, 4 records, 40.0 KiB (chunks of 10.0 KiB)",
        "  encoding: tar",
        "  checksums: sha256, crc32c",
        f"  hosts: {host} (4)",
        f"  mirrors: {site.mirror}copy/",
        "1 stream, 4 chunks, 40.0 KiB, 1 host and 1 mirror",
    ]
    assert mirror_host in ran.stdout


def test_cat_gives_the_bytes_of_chunks(site: Site, tmp_path: Path) -> None:
    chunks = [path.read_bytes() for path in sorted((site.root / "main").glob("*.tar"))]
    for arguments, expected in [
        ([], b"".join(chunks)),
        (["--chunks", "1"], chunks[1]),
        (["--chunks", "1:3"], chunks[1] + chunks[2]),
        (["--chunks", "2:"], chunks[2] + chunks[3]),
        (["--chunks", "0", "--bytes", "5:20"], chunks[0][5:20]),
        (["--chunks", "0", "--bytes", "10000:"], chunks[0][10000:]),
        (["--chunks", "0", "--bytes", "10000:999999"], chunks[0][10000:]),
        (["--chunks", "0", "--bytes", "999999:"], b""),
    ]:
        out = tmp_path / "out"
        assert dataflux("playlist", "cat", site.playlist, "samples", *arguments, "-o", str(out)).returncode == 0
        assert out.read_bytes() == expected
    with (tmp_path / "out").open("wb") as file:
        dataflux_process("playlist", "cat", site.playlist, "samples", stdout=file)
    assert (tmp_path / "out").read_bytes() == b"".join(chunks)


def test_a_part_comes_in_one_answer(site: Site, tmp_path: Path) -> None:
    """Its end needs no size: what is asked for in pieces could be of two hosts, or of two versions."""
    content = bytes(range(256)) * 32 * 1024  # 8 MiB: a power of two, as pieces would be
    (site.root / "main/x.bin").write_bytes(content)
    path = site.root / "raw.yaml"
    path.write_text(Playlist([StreamSpec.of("raw", [f"{site.url}main/x.bin"], {})]).dump())
    out = tmp_path / "out"
    ran = dataflux("playlist", "cat", str(path), "raw", "--bytes", "5:", "-o", str(out))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert out.read_bytes() == content[5:]


def test_cat_decodes_records(site: Site) -> None:
    ran = dataflux("playlist", "cat", site.playlist, "samples", "--records", "1:3")
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [
        {"id": letter, "jpg": f"{letter} jpg", "txt": f"{letter} txt"} for letter in "bc"
    ]
    (site.root / "main/x.bin").write_bytes(b"\xff\0")
    path = site.root / "raw.yaml"
    path.write_text(Playlist([StreamSpec.of("raw", [f"{site.url}main/x.bin"], {})]).dump())
    assert dataflux("playlist", "cat", str(path), "raw", "--records", "0:").stdout == '{"base64": "/wA="}\n'


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nope"], 2, "there is no stream 'nope'; there are samples"),
        (["samples", "--chunks", "4"], 2, "the stream has 4 chunks, counted from 0"),
        (["samples", "--chunks", "1:9"], 2, "the stream has 4 chunks, counted from 0"),
        (["samples", "--chunks", "3:1"], 2, "nothing is from 3 on and below 1"),
        (["samples", "--chunks", "-1"], 2, "expected whole numbers"),
        (["samples", "--chunks", "٣"], 2, "expected whole numbers"),
        (["samples", "--bytes", "0:1"], 2, "--bytes is of one chunk, here are 4"),
        (["samples", "--bytes", "0:1", "--records", "0:1"], 2, "--records goes without --chunks and --bytes"),
        (["samples", "--records", "9:"], 2, "--records: the stream has 4 records, counted from 0"),
        (["samples", "--records", "4"], 2, "--records: the stream has 4 records, counted from 0"),
    ],
)
def test_cat_says_what_is_not_there(arguments: list[str], code: int, said: str, site: Site) -> None:
    ran = dataflux("playlist", "cat", site.playlist, *arguments)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in " ".join(ran.stderr.split())


def test_cat_says_why_it_cannot_choose_records(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("a:\n  headers: {encoding: tar}\n  content: ['http://127.0.0.1:9/x']\n")
    ran = dataflux("playlist", "cat", str(path), "a", "--records", "0:2")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--records: the playlist does not say how many records each chunk has" in " ".join(ran.stderr.split())


@pytest.mark.parametrize(
    ("patience_s", "stall_timeout_s"),
    [
        pytest.param(0, 5, id="a busy one has some seconds"),
        pytest.param(7.5, 8, id="as long as a host is asked again"),
        pytest.param(1000, 30, id="not longer than is usual"),
        pytest.param(float("inf"), 30, id="also where nobody gives up"),
    ],
)
def test_patience_is_for_silent_hosts_too(patience_s: float, stall_timeout_s: int) -> None:
    options = patient(patience_s, max_requests=3)
    assert (options.stall_timeout_s, options.connect_timeout_s) == (stall_timeout_s, min(10, stall_timeout_s))
    assert (options.patience_s, options.max_requests) == (patience_s, 3)


def test_cat_writes_no_damaged_chunk(site: Site, tmp_path: Path) -> None:
    for place in ("main", "copy"):
        (site.root / place / "samples-00000.tar").write_bytes(b"x" * 10240)
    out = tmp_path / "out"
    out.write_bytes(b"before")
    ran = dataflux("playlist", "cat", site.playlist, "samples", "-o", str(out))
    assert ran.returncode == 1
    assert len(ran.stderr.splitlines()) == 1
    assert "crc32c" in ran.stderr
    assert out.read_bytes() == b"before"


def test_a_terminal_gets_no_chunks_but_records(site: Site) -> None:
    code, seen = seen_at_terminal("playlist", "cat", site.playlist, "samples", streams="stdout stderr")
    assert (code, "chunks are no text for a terminal" in " ".join(seen.split())) == (2, True)
    code, seen = seen_at_terminal("playlist", "cat", site.playlist, "samples", "--records", "0:1", streams="stdout")
    assert (code, seen.strip()) == (0, '{"id": "a", "jpg": "a jpg", "txt": "a txt"}')


@pytest.mark.parametrize(
    "size", [pytest.param((24, 120), id="of some size"), pytest.param((0, 0), id="that does not tell its size")]
)
def test_a_terminal_sees_a_bar_of_what_is_verified(site: Site, size: tuple[int, int]) -> None:
    code, seen = seen_at_terminal("playlist", "verify", site.playlist, streams="stderr", size=size)
    assert code == 0
    assert re.search(r"verifying: .*\d/8 \[", seen)


@pytest.mark.parametrize("command", ["info", "verify"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [\n", "no YAML"),
        ("a:\n  headers: {}\n  content: ['file:///etc/passwd']\n", "a file: URL"),
    ],
)
def test_what_is_no_playlist_is_said_in_one_line(command: str, text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    ran = dataflux("playlist", command, str(path))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert dataflux("playlist", command, str(tmp_path / "none.yaml")).returncode == 1


def test_cat_does_not_replace_the_playlist(site: Site) -> None:
    path = site.root / "main/playlist.yaml"
    before = path.read_bytes()
    ran = dataflux("playlist", "cat", str(path), "samples", "-o", str(path))
    assert (ran.returncode, path.read_bytes()) == (2, before)
    assert "FILE and --output name the same file" in ran.stderr


def test_cat_gives_up_a_host_that_is_down(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("a:\n  headers: {}\n  content: ['http://127.0.0.1:9/x']\n")
    ran = dataflux("playlist", "cat", str(path), "a", "--patience", "0")
    assert (ran.returncode, ran.stdout, len(ran.stderr.splitlines())) == (1, "", 1)
    assert "http://127.0.0.1:9" in ran.stderr


@pytest.mark.parametrize("command", ["info", "verify", "validate"])
def test_a_name_with_a_line_break_is_no_text(command: str) -> None:
    ran = dataflux("playlist", command, "a: {headers: {}, content: []}\n")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "No such file or directory" in ran.stderr


def test_a_terminal_sees_a_bar_of_what_is_read(site: Site, tmp_path: Path) -> None:
    code, seen = seen_at_terminal(
        "playlist", "cat", site.playlist, "samples", "-o", str(tmp_path / "out"), streams="stderr"
    )
    assert (code, "reading" in seen) == (0, True)
