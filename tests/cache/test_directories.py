"""Where a cache lives: what it makes there, what it leaves alone, where it refuses to be."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import pickle
import stat
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core._data.cache import ledger, place, session
from dataflux_core._data.cache.files import ObjectFiles
from dataflux_core._data.cache.place import FOLDER, file_system_of
from dataflux_core.errors import CacheUnusable, StageStuck
from tests.cache.caching import SIZE, cache_at, content_of, files_of, fill, held, remote, verdict_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def tree_of(path: Path) -> dict[str, bytes]:
    """Return everything below a directory, with what it holds."""
    return {
        str(entry.relative_to(path)): entry.read_bytes() if entry.is_file() and not entry.is_symlink() else b"no file"
        for entry in path.rglob("*")
    }


def test_only_its_owner_may_look(tmp_path: Path) -> None:
    with cache_at(tmp_path) as cache:
        fill(cache, [1, 2])
        for entry in (tmp_path / FOLDER).rglob("*"):
            allowed = 0o700 if entry.is_dir() else 0o600
            assert stat.S_IMODE(entry.stat().st_mode) == allowed, entry
        assert stat.S_IMODE((tmp_path / FOLDER).stat().st_mode) == 0o700


def test_the_users_files_stay_as_they_are(tmp_path: Path) -> None:
    """Even those that look like ours, at each place where ours are."""
    with cache_at(tmp_path) as cache:
        fill(cache, range(50))
    mine = {
        "mine.txt": b"mine",
        "objects/ab": b"mine",
        "ledger.sqlite3": b"mine",
        f"{FOLDER}/mine.txt": b"mine",
        f"{FOLDER}/objects/mine.jpg": b"mine",
        f"{FOLDER}/objects/0/0/mine.jpg": b"mine",
        f"{FOLDER}/objects/0/0/0": b"mine",
        f"{FOLDER}/live/mine": b"mine",
    }
    for name, content in mine.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_bytes(b"mine")
    (tmp_path / FOLDER / "objects" / "x").symlink_to(outside)
    with cache_at(tmp_path, 10 * SIZE, "lru") as cache:
        fill(cache, range(100, 200))
    verdict_of(tmp_path, repair=True)
    there = tree_of(tmp_path)
    kept = {name: there.get(name) for name in mine if name != f"{FOLDER}/live/mine"}
    assert kept == {name: content for name, content in mine.items() if name in kept}
    assert (outside / "mine").read_bytes() == b"mine"


def test_a_directory_that_is_a_link_by_now_is_not_written_through(tmp_path: Path) -> None:
    with cache_at(tmp_path) as cache:
        fill(cache, [1])
    outside = tmp_path / "outside"
    ((name, _),) = files_of(tmp_path).items()
    shard = Path(name).parent
    shard.rename(outside)
    shard.symlink_to(outside)
    with cache_at(tmp_path, 0) as cache, cache.claim(remote([1])) as claim:
        assert list(claim.past) == [0]
    assert (outside / Path(name).name).read_bytes() == content_of(1)


@pytest.mark.parametrize("found", ["dataflux cache, format 2\n", "", "something else", "x" * 10_000])
def test_a_directory_of_another_version_is_refused_and_left_alone(tmp_path: Path, found: str) -> None:
    with cache_at(tmp_path) as cache:
        fill(cache, [1])
    (tmp_path / FOLDER / "format").write_text(found)
    before = tree_of(tmp_path)
    with pytest.raises(CacheUnusable, match="another version") as caught:
        cache.claim(remote([1]))
    assert tree_of(tmp_path) == before
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("name", ["ledger.sqlite3", "objects", "live"])
def test_what_is_a_link_in_a_cache_is_not_followed(tmp_path: Path, name: str) -> None:
    with cache_at(tmp_path) as cache:
        fill(cache, [1])
    theirs = tmp_path / "theirs"
    (tmp_path / FOLDER / name).rename(theirs)
    (tmp_path / FOLDER / name).symlink_to(theirs)
    before = tree_of(tmp_path)
    with pytest.raises(CacheUnusable, match=f"{name} in it is no"):
        cache.claim(remote([2]))
    assert tree_of(tmp_path) == before


@pytest.mark.parametrize("foreign", ["a file in it", "a file in its place", "a link in its place"])
def test_what_is_no_cache_of_ours_is_refused_and_left_alone(tmp_path: Path, foreign: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    if foreign == "a file in it":
        (tmp_path / FOLDER).mkdir()
        (tmp_path / FOLDER / "notes.txt").write_text("mine")
    elif foreign == "a file in its place":
        (tmp_path / FOLDER).write_text("mine")
    else:
        (tmp_path / FOLDER).symlink_to(other)
    before = tree_of(tmp_path)
    with pytest.raises(CacheUnusable):
        cache_at(tmp_path).claim(remote([1]))
    assert tree_of(tmp_path) == before


def test_a_directory_whose_making_was_cut_short_is_made_to_the_end(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "lock").touch()
    (tmp_path / FOLDER / "format.part").write_text("dataf")
    with cache_at(tmp_path) as cache:
        fill(cache, [1])
        assert held(cache, [1]) == [1]


def test_a_file_where_the_directory_should_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CacheUnusable, match="choose a directory on a disk of this machine"):
        cache_at(tmp_path / "file").claim(remote([1]))


@pytest.mark.parametrize("mode", [0o770, 0o702])
def test_a_cache_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    with cache_at(tmp_path) as cache:
        fill(cache, [1])
    (tmp_path / FOLDER).chmod(mode)
    with cache_at(tmp_path) as cache, pytest.raises(CacheUnusable, match="others may write to it"):
        cache.claim(remote([1]))
    with pytest.raises(CacheUnusable, match="others may write to it"):
        verdict_of(tmp_path)


def test_a_cache_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with cache_at(tmp_path) as cache:
        fill(cache, [1])
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with cache_at(tmp_path) as cache, pytest.raises(CacheUnusable, match="choose a directory of your own"):
        cache.claim(remote([1]))


@pytest.mark.parametrize("harm", [b"", b"no database at all" * 1000])
def test_a_ledger_that_is_none_says_what_to_remove(tmp_path: Path, harm: bytes) -> None:
    with cache_at(tmp_path) as cache:
        fill(cache, [1])
    (tmp_path / FOLDER / "ledger.sqlite3").write_bytes(harm)
    if not harm:
        with cache_at(tmp_path) as cache:  # as after a power failure: an empty ledger knows no file
            assert held(cache, [1]) == []
        verdict_of(tmp_path, repair=True)
        assert not files_of(tmp_path)
        return
    with pytest.raises(CacheUnusable, match=f"remove the directory {FOLDER}"):
        cache.claim(remote([1]))


def test_files_that_a_power_failure_left_without_entry_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cache_at(tmp_path) as cache:
        fill(cache, [1, 2])
    with cache.claim(remote([])):
        pass
    with cache._opened().transaction() as opened:
        opened._run("DELETE FROM entries")
        opened.recount()
    cache.close()
    assert len(files_of(tmp_path)) == 2
    monkeypatch.setattr(session, "_boot", lambda: "another")
    with cache_at(tmp_path) as cache:
        assert held(cache, [1, 2]) == []
    assert not files_of(tmp_path)


MOUNTS = """\
22 1 254:1 / / rw,relatime - ext4 /dev/vda1 rw
30 22 0:50 / /data rw,relatime shared:1 - nfs4 server:/data rw
31 30 0:51 / /data/local\\040disk rw - xfs /dev/sdb rw
32 22 0:52 / /mnt/bucket rw - fuse.gcsfuse gcsfuse rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        pytest.param("/home/x", "ext4", id="the root"),
        pytest.param("/data/x", "nfs4", id="below a mount"),
        pytest.param("/data/local disk/x", "xfs", id="below a mount on another, with a blank"),
        pytest.param("/database", "ext4", id="a name that only begins like a mount"),
        pytest.param("/mnt/bucket", "fuse.gcsfuse", id="the mount itself"),
    ],
)
def test_the_kind_of_a_file_system_is_that_of_the_innermost_mount(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "_mounts", lambda: "22 1 0:1 / / rw - nfs4 server:/ rw")
    with pytest.raises(CacheUnusable, match=r"network file system \(nfs4\); choose a directory on a disk"):
        cache_at(tmp_path).claim(remote([1]))
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int, how: int) -> None:
        del descriptor, how
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(CacheUnusable, match="knows no locks"):
        cache_at(tmp_path).claim(remote([1]))


def test_a_ledger_that_another_has_locked_for_ever_is_a_stage_that_is_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "BUSY_S", 0.05)
    with cache_at(tmp_path) as cache, cache_at(tmp_path) as other:
        other.claim(remote([])).release()
        cache.claim(remote([])).release()
        with other._opened().transaction(), pytest.raises(StageStuck, match="ledger"):
            cache.claim(remote([1]))


def test_a_disk_that_is_full_is_streamed_past_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: ObjectFiles, name: str, content: bytes) -> None:
        del self, name, content
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with cache_at(tmp_path) as cache:
        fill(cache, [1])
        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
            patch.setattr(ObjectFiles, "write", full)
            for _ in range(2):
                with cache.claim(remote([1, 2, 3])) as claim:
                    assert claim.read(0) == content_of(1)
                    assert [claim.store(position, content_of(position + 1)) for position in claim.ours] == [False] * 2
        assert len(caplog.records) == 1
        assert "No space left" in caplog.text
        fill(cache, [2, 3])
        assert held(cache, [1, 2, 3]) == [1, 2, 3]
    assert verdict_of(tmp_path).flaws == 0


@contextmanager
def small_disk(path: Path, size: int) -> Iterator[None]:
    path.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], check=True)  # noqa: S607
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)  # noqa: S607


def test_a_disk_that_is_really_full_gives_what_it_holds(tmp_path: Path) -> None:
    """Neither a file nor the ledger has room there in the end, which is no error for whoever reads."""
    path = tmp_path / "small"
    with small_disk(path, 2_000_000):
        kept = 0
        with cache_at(path) as cache:
            for start in range(0, 1000, 50):
                numbers = list(range(start, start + 50))
                with cache.claim(remote(numbers)) as claim:
                    kept += sum(claim.store(position, content_of(numbers[position])) for position in claim.ours)
            assert 200 < kept < 480
            ballast = path / "ballast"
            with ballast.open("wb", buffering=0) as file:
                fill_up(file)
            with cache.claim(remote(range(100))) as claim:
                for position in claim.held:
                    assert claim.read(position) == content_of(position)
                assert not any(claim.store(position, content_of(position)) for position in claim.ours)
            with cache_at(path) as late, late.claim(remote(range(100))) as claim:  # opened only now
                assert len(claim.held) + len(claim.past) + len(claim.ours) == 100
                assert {claim.read(position) == content_of(position) for position in claim.held} <= {True}
                assert not any(claim.store(position, content_of(position)) for position in claim.ours)
            ballast.unlink()
            fill(cache, [1])
        with cache_at(path, 100 * SIZE) as cache:
            found = held(cache, range(1000))
            assert 90 < len(found) <= 100
        assert verdict_of(path).flaws == 0


def fill_up(file: Any) -> None:
    for size in (4096, 1):
        with suppress(OSError):
            while True:
                file.write(b"x" * size)
