"""`dataflux cache` shows, verifies, clears what datasets keep on a disk."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from dataflux_core._data.cache.place import FOLDER
from tests.cache.caching import cache_at, content_of, files_of, fill, held, remote, verdict_of
from tests.cli.terminal import dataflux, seen_at_terminal


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    with cache_at(tmp_path, 100_000) as cache:
        fill(cache, [1, 2, 3])
    return tmp_path


def test_show_says_what_is_there(kept: Path) -> None:
    ran = dataflux("cache", "show", str(kept))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "3 objects, 11.7 KiB, limit 97.7 KiB\n"


def test_show_says_who_uses_it(kept: Path) -> None:
    with cache_at(kept) as cache, cache.claim(remote([1, 2, 4])):
        ran = dataflux("cache", "show", str(kept))
    assert ran.returncode == 0
    assert "3.9 KiB reserved for objects that are being fetched" in ran.stdout
    assert f"process {os.getpid()}: 3 objects pinned by 1 claim, 1 being fetched (3.9 KiB)" in ran.stdout


def use_and_end(kept: Path, *, holds: bool) -> None:
    """End as a loader's worker does: at once."""
    claim = cache_at(kept).__enter__().claim(remote([1, 2]))
    if not holds:
        claim.__exit__(None, None, None)
    os._exit(0)


@pytest.mark.parametrize("holds", [False, True], ids=["it held nothing", "it held objects"])
def test_show_tells_of_a_process_that_has_ended_what_it_left(kept: Path, *, holds: bool) -> None:
    worker = multiprocessing.get_context("fork").Process(target=use_and_end, args=(kept,), kwargs={"holds": holds})
    worker.start()
    worker.join()
    ran = dataflux("cache", "show", str(kept))
    assert (f"process {worker.pid} (ended; the next process" in ran.stdout) is holds
    assert ("process" in ran.stdout) is holds


def test_verify_finds_a_whole_cache_whole(kept: Path) -> None:
    ran = dataflux("cache", "verify", str(kept))
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "3 objects, 11.7 KiB checked" in ran.stderr


def damage(kept: Path) -> None:
    flipped, gone, _ = (Path(name) for name in sorted(files_of(kept)))
    flipped.write_bytes(b"!" + flipped.read_bytes()[1:])
    unknown = kept / FOLDER / "objects" / "0" / "0" / ("0" * 30 + "-1")
    unknown.parent.mkdir(parents=True, exist_ok=True)
    gone.rename(unknown)


def test_verify_names_what_is_damaged_and_leaves_it(kept: Path) -> None:
    damage(kept)
    before = files_of(kept)
    ran = dataflux("cache", "verify", str(kept))
    assert ran.returncode == 1
    assert [line.split(" ")[0] for line in ran.stdout.splitlines()] == ["damaged", "missing", "unknown"]
    assert "3 flaws: --repair removes them" in ran.stderr
    assert files_of(kept) == before


def test_verify_repairs_on_request(kept: Path) -> None:
    damage(kept)
    ran = dataflux("cache", "verify", "--repair", str(kept))
    assert ran.returncode == 1
    assert "removed, to be fetched again" in ran.stderr
    assert dataflux("cache", "verify", str(kept)).returncode == 0
    assert len(files_of(kept)) == 1


def test_clear_removes_the_objects_alone(kept: Path) -> None:
    mine = kept / FOLDER / "objects" / "mine"
    mine.write_text("mine")
    ran = dataflux("cache", "clear", "--yes", str(kept))
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "removed 3 objects" in ran.stderr
    assert list(files_of(kept)) == [str(mine)]
    with cache_at(kept) as cache:
        assert held(cache, [1, 2, 3]) == []
        fill(cache, [1])
        assert held(cache, [1]) == [1]


def test_clear_asks_first(kept: Path) -> None:
    code, seen = seen_at_terminal("cache", "clear", str(kept), streams="stdin stdout stderr", typed="n\n")
    assert code == 0
    assert "Remove 3 objects, 11.7 KiB?" in seen
    assert len(files_of(kept)) == 3
    ran = dataflux("cache", "clear", str(kept))
    assert ran.returncode == 2
    assert "add --yes" in ran.stderr


def test_clear_refuses_while_the_cache_is_used_unless_it_is_forced(kept: Path) -> None:
    with cache_at(kept) as cache:
        with cache.claim(remote([1, 4, 5])) as claim:
            assert claim.store(1, content_of(4))
            ran = dataflux("cache", "clear", "--yes", str(kept))
            assert ran.returncode == 1
            assert "in use by" in ran.stderr
            assert dataflux("cache", "clear", "--yes", "--force", str(kept)).returncode == 0
            assert not files_of(kept)
            assert claim.read(0) is None
            assert claim.store(2, content_of(5))
        assert held(cache, [1, 2, 3]) == []
        fill(cache, [1])
        assert held(cache, [1]) == [1]
    assert verdict_of(kept).flaws == 0


@pytest.mark.parametrize("command", ["show", "verify", "clear"])
def test_a_directory_without_a_cache_is_an_error_that_makes_none(tmp_path: Path, command: str) -> None:
    ran = dataflux("cache", command, str(tmp_path))
    assert ran.returncode == 1
    assert "there is no cache" in ran.stderr
    assert not list(tmp_path.iterdir())


def test_no_option_of_a_service_is_offered() -> None:
    assert "--project" not in dataflux("cache", "show", "--help").stdout
