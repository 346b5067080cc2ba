from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflux_core.emulator import Directory
from dataflux_core.emulator._directory import CHUNK_BYTES, Files
from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import FileSpan
from tests.emulator.asking import Service, path

if TYPE_CHECKING:
    from pathlib import Path

PART = st.text(st.characters(exclude_characters="/\0\n\r", exclude_categories=["Cs"]), min_size=1, max_size=4).filter(
    lambda part: part not in {".", ".."}
)


def fill(root: Path, files: dict[str, bytes]) -> Service:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return Service(Directory(root))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.sets(st.lists(PART, min_size=1, max_size=3).map(tuple), max_size=8), st.data())
def test_a_tree_lists_as_its_files(
    tmp_path_factory: pytest.TempPathFactory, paths: set[tuple[str, ...]], data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("tree")
    names: list[str] = []
    for parts in sorted(paths):
        target = root.joinpath(*parts)
        if any(above.is_file() for above in target.parents) or target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"x" * len(names))
        names.append("/".join(parts))
    service = Service(Directory(root))
    limit = data.draw(st.integers(1, 5))
    assert service.names(maxResults=limit) == sorted(names, key=str.encode)
    for size, name in enumerate(names):
        assert len(service.read(name).body) == size


def test_a_file_is_read_described_changed_in_memory_alone(tmp_path: Path) -> None:
    service = fill(tmp_path, {"a.txt": b"0123456789", "d/b.jpg": b"x"})
    assert service.read("a.txt", {"Range": "bytes=2-4"}).body == b"234"
    described = service.get("a.txt").json
    assert (described["size"], described["contentType"]) == ("10", "text/plain")
    assert described["md5Hash"] == "eB5eJF1ptWaXm4bijSPyxw=="
    assert service.put("a.txt", b"new").status == 200
    assert service.put("c", b"more").status == 200
    assert service.ask("DELETE", path("d/b.jpg")).status == 204
    assert (service.names(), service.read("a.txt").body) == (["a.txt", "c"], b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"0123456789"
    assert (tmp_path / "d/b.jpg").exists()


def test_a_file_that_changes_after_the_listing_shows_its_new_bytes_when_read(tmp_path: Path) -> None:
    service = fill(tmp_path, {"a": b"old"})
    listed = service.page()["items"][0]
    (tmp_path / "a").write_bytes(b"newer")
    os.utime(tmp_path / "a", ns=(1, 1))
    assert service.read("a").body == b"newer"
    assert service.get("a").json["generation"] != listed["generation"]
    assert service.read("a", ifGenerationMatch=listed["generation"]).status == 412
    (tmp_path / "a").unlink()
    assert service.read("a").status == 404


def test_a_compressed_file_is_what_it_is(tmp_path: Path) -> None:
    service = fill(tmp_path, {"a.txt.gz": b"packed"})
    assert "contentEncoding" not in service.get("a.txt.gz").json
    assert service.read("a.txt.gz").body == b"packed"


def test_what_has_no_legal_name_is_skipped_but_counted(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(b"")
    (tmp_path / "line\nfeed").write_bytes(b"")
    (tmp_path / os.fsdecode(b"latin-\xe9")).write_bytes(b"")
    os.mkfifo(tmp_path / "pipe")
    files = Files(str(tmp_path))
    assert files.take("", None, 10) == ["good"]
    assert files.skipped == 3


def test_no_link_leads_outside(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"secret")
    root = tmp_path / "root"
    service = fill(root, {"inside": b"x", "d/e": b"y"})
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "in").symlink_to(root / "d/e")
    (root / "loop").symlink_to(root)
    (root / "broken").symlink_to(root / "none")
    assert service.names() == ["d/e", "in", "inside"]
    assert service.read("in").body == b"y"
    for name in ("../outside", "out", "d/../../outside", "loop/inside", "/etc/passwd"):
        assert service.read(name).status == 404
    (root / "in").unlink()
    (root / "in").symlink_to(tmp_path / "outside")
    assert service.read("in").status == 404


def test_a_file_that_may_not_be_read_is_403(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = fill(tmp_path, {"a": b"x"})
    assert service.names() == ["a"]

    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr("dataflux_core.emulator._directory.os.open", refuse)
    assert service.read("a").status == 403


def test_a_large_part_of_a_file_is_read_only_while_it_is_sent(tmp_path: Path) -> None:
    fill(tmp_path, {"big": b"x" * (CHUNK_BYTES + 2)})
    stored = Files(str(tmp_path)).get("big")
    assert stored is not None
    assert isinstance(stored.content.span(1, CHUNK_BYTES + 2), FileSpan)
    assert stored.content.span(1, CHUNK_BYTES + 1) == (b"x" * CHUNK_BYTES,)


def test_a_file_that_is_gone_is_404(tmp_path: Path) -> None:
    fill(tmp_path, {"a": b"x"})
    stored = Files(str(tmp_path)).get("a")
    assert stored is not None
    (tmp_path / "a").unlink()
    with pytest.raises(ApiError, match="404"):
        stored.content.read()
