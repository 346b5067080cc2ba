"""What the system allows a process is kept to, or named with what to do; nothing is left half written."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core._data import directory_room
from dataflux_core._data.directory_errors import not_written
from dataflux_core._data.directory_journal import _FIRST_LINE
from dataflux_core._plan.own_files import aside_name, lock_name
from dataflux_core.download import FileNotWritten, download_to_directory
from dataflux_core.emulator import Emulator, Memory
from tests.directory.conftest import files_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOWNLOADING = """
import os, sys, tempfile
from dataflux_core._data import directory_fetch
from dataflux_core.download import DirectoryOptions, FileNotWritten, download_to_directory
target, large_bytes, user, *names = sys.argv[1:]
directory_fetch.LARGE_BYTES = int(large_bytes)
pairs = [(name, int(size)) for name, _, size in (name.rpartition("=") for name in names)]
if int(user) != os.getuid():
    with tempfile.TemporaryDirectory() as folder:  # imports all that another user may not be allowed to
        download_to_directory("b", pairs, folder)
    os.setuid(int(user))
try:
    download_to_directory("b", pairs, target, options=DirectoryOptions(free_space="ignore"))
except FileNotWritten as error:
    print(error.name, error.path, error.reason, sep="\\n")
"""
NOBODY = 65534

both_sizes = pytest.mark.parametrize("large_bytes", [10**6, 100], ids=["whole", "in pieces"])


def reason_of(
    gcs: Emulator, target: Path, objects: dict[str, bytes], *, large_bytes: int, user: int | None = None, **options: Any
) -> list[str]:
    """Download in a process of its own; return what could not be written, where, why."""
    gcs.create_bucket("b", Memory(objects))
    ran = subprocess.run(
        [
            *(sys.executable, "-c", DOWNLOADING, str(target), str(large_bytes), str(user or os.getuid())),
            *(f"{name}={len(content)}" for name, content in objects.items()),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **options,
    )
    assert ran.returncode == 0, ran.stderr
    told: str = ran.stdout
    return told.splitlines()


@both_sizes
def test_a_file_that_is_too_large_is_named_with_the_path(gcs: Emulator, tmp_path: Path, large_bytes: int) -> None:
    objects = {"small": b"x" * 10, "too-large": b"y" * 5000}
    told = reason_of(
        gcs,
        tmp_path,
        objects,
        large_bytes=large_bytes,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert told[:2] == ["too-large", str(tmp_path / "too-large")]
    assert told[2].startswith("File too large; raise the limit of a file's size (ulimit -f)")
    assert files_of(tmp_path).items() <= {("small", b"x" * 10)}


@contextmanager
def mounted(directory: Path, options: str) -> Iterator[Path]:
    """Mount a small file system for the length of a test."""
    directory.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if mount is None or unmount is None:
        pytest.skip("there is no mount here")
    made = subprocess.run([mount, "-t", "tmpfs", "-o", options, "tmpfs", str(directory)], check=False)
    if made.returncode:
        pytest.skip("this user may mount nothing")
    try:
        yield directory
    finally:
        subprocess.run([unmount, "-l", str(directory)], check=True)


@both_sizes
def test_a_disk_that_gets_full_keeps_what_is_whole_and_nothing_else(
    gcs: Emulator, tmp_path: Path, large_bytes: int
) -> None:
    objects = {f"{number:03}": bytes([number]) * 20_000 for number in range(100)}
    files = {f"target/{name}": content for name, content in objects.items()}
    first = dict(list(objects.items())[:20])
    with mounted(tmp_path / "disk", "size=1m") as disk:
        assert reason_of(gcs, disk / "target", first, large_bytes=large_bytes) == []
        told = reason_of(gcs, disk / "target", objects, large_bytes=large_bytes)
        assert told[2] == "No space left on device; make room there, then call again"
        left = files_of(disk)
    # What the second download has put in its place before it failed may be anything from nothing to all that had room.
    assert {f"target/{name}" for name in first} <= left.keys() < files.keys()
    assert left.items() <= files.items()


def test_what_has_no_room_is_refused_before_the_first_byte(gcs: Emulator, tmp_path: Path) -> None:
    objects = {f"{number:03}": bytes([number]) * 20_000 for number in range(100)}
    pairs = [(name, len(content)) for name, content in objects.items()]
    gcs.create_bucket("b", Memory(objects))
    gcs.reset_requests()
    with mounted(tmp_path / "disk", "size=1m") as disk:
        with pytest.raises(FileNotWritten, match="2.0 MiB more are needed there, 1020.0 KiB are free; make room"):
            download_to_directory("b", pairs, disk / "target")
        assert not list(disk.iterdir())
        assert gcs.requests().counts == {}
        assert download_to_directory("b", pairs[:40], disk / "target").written == 40


def test_small_files_need_room_for_whole_blocks(gcs: Emulator, tmp_path: Path) -> None:
    pairs = [(f"{number:04}", 2000) for number in range(5000)]
    gcs.create_bucket("b", Memory({name: bytes(size) for name, size in pairs}))
    with mounted(tmp_path / "disk", "size=12m") as disk:
        with pytest.raises(
            FileNotWritten, match=r"19\.5 MiB more are needed there, 12\.0 MiB are free; .* compresses or packs"
        ):
            download_to_directory("b", pairs, disk)
        download_to_directory("b", pairs[:2000], disk)
        assert download_to_directory("b", pairs[:2900], disk).written == 900


def test_a_block_of_a_file_system_that_names_large_ones_is_taken_for_a_usual_one(
    gcs: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gcs.create_bucket("b", Memory({"a": b"1", "b": b"2"}))
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([1 << 20, 1 << 20, 10, 1, 1, *[0] * 5]))
    assert download_to_directory("b", [("a", 1), ("b", 1)], tmp_path).written == 2


def test_what_a_killed_download_has_left_takes_no_room(gcs: Emulator, tmp_path: Path) -> None:
    gcs.create_bucket("b", Memory({"a": b"x" * 600_000}))
    with mounted(tmp_path / "disk", "size=1m") as disk:
        (disk / lock_name("0123456789abcdef")).write_bytes(_FIRST_LINE + b"./\n")
        (disk / aside_name("0123456789abcdef", 0)).write_bytes(b"x" * 600_000)
        assert download_to_directory("b", [("a", 600_000)], disk).written == 1
        assert list(files_of(disk)) == ["a"]


def test_what_replaces_files_needs_room_for_the_difference_alone(gcs: Emulator, tmp_path: Path) -> None:
    gcs.create_bucket("b", Memory({"a": b"x" * 600_000}))
    with mounted(tmp_path / "disk", "size=1500k") as disk:
        (disk / "a").write_bytes(b"?" * 700_000)
        assert download_to_directory("b", [("a", 600_000)], disk).written == 1


def test_more_files_than_a_disk_can_hold_are_refused_before_the_first_byte(gcs: Emulator, tmp_path: Path) -> None:
    gcs.create_bucket("b", Memory({str(number): b"" for number in range(50)}))
    pairs = [(str(number), 0) for number in range(50)]
    with mounted(tmp_path / "disk", "size=1m,nr_inodes=20") as disk:
        with pytest.raises(
            FileNotWritten, match="50 files are to be made there, 18 more can be; remove some, or choose to ignore"
        ):
            download_to_directory("b", pairs, disk)
        assert download_to_directory("b", pairs[:10], disk).written == 10


def test_a_file_system_that_does_not_tell_its_room_is_written_to(
    gcs: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gcs.create_bucket("b", Memory({"a": b"1"}))
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([512, 512, *[0] * 8]))
    assert download_to_directory("b", [("a", 1)], tmp_path).written == 1


@both_sizes
@pytest.mark.parametrize(
    ("target", "named"),
    [
        pytest.param("", "a", id="a directory to make files in"),
        pytest.param("new", "the target directory", id="a directory to be made"),
    ],
)
def test_a_directory_that_may_not_be_written_to_is_named(
    gcs: Emulator, tmp_path: Path, large_bytes: int, target: str, named: str
) -> None:
    parent = tmp_path / "theirs"
    parent.mkdir()
    for directory in (parent, *list(parent.parents)[:4]):
        directory.chmod(directory.stat().st_mode | 0o055)
    parent.chmod(0o555)
    user = NOBODY if os.getuid() == 0 else None  # root may write anywhere
    told = reason_of(gcs, parent / target, {"a": b"1" * 500}, large_bytes=large_bytes, user=user)
    assert told[0] == named
    assert told[2].startswith("Permission denied; ask for the permission to write there")
    assert not list(parent.iterdir())


def test_a_file_system_that_is_only_read_is_named(gcs: Emulator, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "ro") as disk:
        told = reason_of(gcs, disk, {"a": b"1"}, large_bytes=100)
    assert told == ["a", str(disk / "a"), "Read-only file system; choose another directory"]


def test_a_place_where_no_directory_can_be_made_is_named(gcs: Emulator) -> None:
    gcs.create_bucket("b", Memory({"a": b"1"}))
    with pytest.raises(FileNotWritten, match="No such file or directory; no directory can be made there: choose"):
        download_to_directory("b", [("a", 1)], "/proc/none")


def test_a_parent_that_is_a_file_is_named(gcs: Emulator, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = reason_of(gcs, tmp_path / "file" / "target", {"a": b"1"}, large_bytes=100)
    assert told[0] == "the target directory"
    assert told[2].startswith("Not a directory; move away what is no directory")


@pytest.mark.parametrize("in_the_way", ["file", "directory"])
def test_what_gets_in_the_way_meanwhile_is_named(
    gcs: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_the_way: str
) -> None:
    gcs.create_bucket("b", Memory({"d/a": b"1"}))
    true_shortage = directory_room.shortage

    def shortage(plan: Any) -> directory_room.Shortage | None:  # called when all was looked at
        if in_the_way == "file":
            (tmp_path / "d").touch()
        else:
            (tmp_path / "d/a").mkdir(parents=True)
        return true_shortage(plan)

    monkeypatch.setattr("dataflux_core._data.directory.shortage", shortage)
    with pytest.raises(FileNotWritten, match="'d' is no directory; move it|directory has come to be there: move it"):
        download_to_directory("b", [("d/a", 1)], tmp_path)
    assert not [path for path in files_of(tmp_path) if "dataflux" in path]


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        pytest.param(28, "make room there", id="ENOSPC"),
        pytest.param(122, "within your quota", id="EDQUOT"),
        pytest.param(36, "a shorter path", id="ENAMETOOLONG"),
        pytest.param(24, "ulimit -n", id="EMFILE"),
        pytest.param(5, "look after the disk", id="EIO"),
        pytest.param(13, "ask for the permission", id="EACCES"),
        pytest.param(2, "removed meanwhile", id="ENOENT"),
    ],
)
def test_each_reason_comes_with_the_next_step(number: int, advice: str) -> None:
    error = not_written("object", "/some/path", OSError(number, os.strerror(number)))
    assert advice in str(error)
    assert str(error).startswith(f"object: cannot write /some/path: {os.strerror(number)}; ")
    assert str(error).endswith("; the files that are there are whole")


MANY = """
import sys
from dataflux_core.download import DirectoryOptions, download_to_directory
pairs = [(f"{number % 97}/{number % 7}/{number}", 3) for number in range(6000)]
done = download_to_directory("b", pairs, sys.argv[1], options=DirectoryOptions(strategy="direct"))
print(done.written)
"""


def test_connections_and_directories_leave_room_among_the_open_files_that_are_allowed(
    gcs: Emulator, tmp_path: Path
) -> None:
    objects = {f"{number % 97}/{number % 7}/{number}": b"abc" for number in range(6000)}
    gcs.create_bucket("b", Memory(objects))
    ran = subprocess.run(
        [sys.executable, "-c", MANY, str(tmp_path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.stdout, ran.returncode) == ("6000\n", 0), ran.stderr
    assert files_of(tmp_path) == objects


def test_too_few_open_files_are_named_with_the_limit(gcs: Emulator, tmp_path: Path) -> None:
    objects = {f"{number}/{number}": b"abc" for number in range(300)}
    told = reason_of(
        gcs,
        tmp_path,
        objects,
        large_bytes=100,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32)),
    )
    assert told[2].startswith("Too many open files; raise the limit of open files (ulimit -n)")
    assert files_of(tmp_path).items() <= objects.items()
