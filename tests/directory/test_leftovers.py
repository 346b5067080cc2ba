"""What a killed process has left goes away; what a live one is writing stays."""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dataflux_core._data import directory_journal
from dataflux_core._data.directory_journal import Journal
from dataflux_core._data.target_tree import Place, TargetTree
from dataflux_core.download import DirectoryOptions, download_to_directory, name_of_path
from dataflux_core.emulator import Emulator, Memory
from dataflux_core.errors import UnsafeName
from tests.directory.conftest import files_of
from tests.processes import line_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dataflux_core._plan.paths import UnsafeNames

WRITING = """
import sys
from pathlib import Path
from dataflux_core._data.target_tree import Place, TargetTree
with TargetTree(Path(sys.argv[1])) as tree:
    tree.claim()
    tree.write(Place("whole", "d/whole"), b"whole")
    for path in ("top", "d/e/half", "d/other"):
        tree.create(Place(path, path)).write_at(0, b"half")
    print("written", flush=True)
    sys.stdin.read()
"""


FORKING = """
import os, sys
from pathlib import Path
from dataflux_core._data.target_tree import Place, TargetTree
with TargetTree(Path(sys.argv[1])) as tree:
    tree.claim()
    tree.create(Place("a", "a")).write_at(0, b"half")
    child = os.fork()
"""
CHILD_OUTLIVES = """
    if child:
        os.kill(os.getpid(), 9)
    print(os.getpid(), flush=True)  # past what runs in each forked child
    sys.stdin.read()
    os._exit(0)
"""
CHILD_LEAVES = """
    if not child:
        sys.exit()
    os.wait()
    print(child, flush=True)
    sys.stdin.read()
"""


@contextmanager
def writing(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process that has written halves of three files, and waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITING, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert line_of(process) == "written\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def claimed(directory: Path) -> None:
    """Begin and end to write."""
    with TargetTree(directory) as tree:
        tree.claim()


def halves(directory: Path) -> set[str]:
    return {path for path, content in files_of(directory).items() if content == b"half"}


def test_a_later_download_removes_what_a_killed_one_has_left(gcs: Emulator, tmp_path: Path) -> None:
    gcs.create_bucket("b", Memory({"a": b"1"}))
    with writing(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(halves(tmp_path)) == 3
    download_to_directory("b", [("a", 1)], tmp_path)
    assert files_of(tmp_path) == {"a": b"1", "d/whole": b"whole"}


@contextmanager
def forking(directory: Path, then: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a process that has forked a child while it writes; give it, then the child's process id."""
    process = subprocess.Popen(
        [sys.executable, "-c", FORKING + then, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:  # the end of its input ends what is left of it
        yield process, int(line_of(process))


def test_a_child_that_the_killed_process_has_forked_keeps_nothing(tmp_path: Path) -> None:
    with forking(tmp_path, CHILD_OUTLIVES) as (process, child):
        assert process.wait() == -signal.SIGKILL
        assert len(halves(tmp_path)) == 1
        claimed(tmp_path)
        os.kill(child, 0)  # it lives
        assert files_of(tmp_path) == {}


def test_a_forked_child_that_ends_takes_nothing_from_its_parent(tmp_path: Path) -> None:
    with forking(tmp_path, CHILD_LEAVES):
        before = files_of(tmp_path)
        assert len(before) == 2
        claimed(tmp_path)
        assert files_of(tmp_path) == before
    assert files_of(tmp_path) == {}


def test_a_directory_is_noted_once_however_often_it_is_opened(tmp_path: Path) -> None:
    directories = [f"d{number}" for number in range(20)]  # more than a thread keeps open
    with TargetTree(tmp_path) as tree:
        tree.claim()
        for round_ in range(3):
            for directory in directories:
                tree.write(Place(directory, f"{directory}/{round_}"), b"1")
        (journal,) = tmp_path.glob("*.lock")
        assert journal.read_bytes() == FIRST + "".join(f"./{directory}\n" for directory in directories).encode()


def test_what_a_live_process_is_writing_stays(tmp_path: Path) -> None:
    with writing(tmp_path) as process:
        before = files_of(tmp_path)
        claimed(tmp_path)
        assert files_of(tmp_path) == before
        assert len(halves(tmp_path)) == 3
        process.communicate("")
        assert process.returncode == 0
    assert files_of(tmp_path) == {"d/whole": b"whole"}


def test_nothing_of_ours_is_left_in_the_end(tmp_path: Path) -> None:
    gc.collect()  # what earlier tests have left
    before = len(list(Path("/proc/self/fd").iterdir()))
    with TargetTree(tmp_path) as tree:
        tree.claim()
        tree.write(Place("a", "d/a"), b"1")
        tree.create(Place("b", "e/b"))
    assert files_of(tmp_path) == {"d/a": b"1"}
    assert len(list(Path("/proc/self/fd").iterdir())) <= before  # those of tests before may be closed meanwhile


def lock_file(directory: Path, content: bytes) -> Path:
    path = directory / ".dataflux-0123456789abcdef.lock"
    path.write_bytes(content)
    return path


FIRST = directory_journal._FIRST_LINE


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="killed before it had written anything"),
        pytest.param(FIRST[:10], id="killed within the first line"),
        pytest.param(FIRST + b"./d\n./gone\n./d\n./d/e", id="killed within a line, directories gone"),
        pytest.param(FIRST + b"./\n./d\n\0\0\0", id="zeros at the end, as a power loss can leave"),
    ],
)
def test_whatever_a_killed_process_had_noted_is_cleared_away(tmp_path: Path, content: bytes) -> None:
    lock_file(tmp_path, content)
    (tmp_path / "d").mkdir()
    (tmp_path / "d/.dataflux-0123456789abcdef-7.part").touch()
    (tmp_path / "d/.dataflux-fedcba9876543210-7.part").touch()  # of a process with a file of its own
    claimed(tmp_path)
    was_noted = b"./d\n" in content
    assert (tmp_path / "d/.dataflux-0123456789abcdef-7.part").exists() is not was_noted
    assert (tmp_path / "d/.dataflux-fedcba9876543210-7.part").exists()
    assert not list(tmp_path.glob("*.lock"))


@pytest.mark.parametrize("noted", ["./link", ".//{outside}", "./../outside", "./d/../../outside"])
def test_nothing_outside_is_removed_whatever_is_noted(tmp_path: Path, noted: str) -> None:
    target, outside = tmp_path / "target", tmp_path / "outside"
    (target / "d").mkdir(parents=True)
    outside.mkdir()
    stray = outside / ".dataflux-0123456789abcdef-7.part"
    stray.touch()
    (target / "link").symlink_to(outside)
    lock_file(target, FIRST + noted.format(outside=outside).encode() + b"\n")
    claimed(target)
    assert stray.exists()


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"my own notes\n", id="a text"),
        pytest.param(b"\0" * 100, id="zeros"),
        pytest.param(FIRST + b"./d\n./a\0b\n", id="a directory that no system could have"),
        pytest.param(FIRST + b"./d\n./\xff\n", id="a line that is no text"),
        pytest.param(FIRST + b"./d\nd\n", id="a line that begins otherwise"),
        pytest.param(FIRST + b"./d\n./d/..\n", id="a directory above"),
        pytest.param(FIRST + b"./d\n./" + b"x" * 10**6, id="a line that has no end"),
    ],
)
def test_a_file_that_no_download_has_written_stays_whatever_it_is_called(tmp_path: Path, content: bytes) -> None:
    path = lock_file(tmp_path, content)
    (tmp_path / "d").mkdir()
    (tmp_path / "d/.dataflux-0123456789abcdef-7.part").touch()
    claimed(tmp_path)
    assert path.read_bytes() == content
    assert (tmp_path / "d/.dataflux-0123456789abcdef-7.part").exists()


def test_a_file_of_any_length_is_no_matter(tmp_path: Path) -> None:
    path = lock_file(tmp_path, FIRST + b"./\n")
    os.truncate(path, 2**40)  # sparse
    claimed(tmp_path)
    assert path.exists()


def test_only_names_of_files_that_are_not_whole_are_removed(tmp_path: Path) -> None:
    lock_file(tmp_path, FIRST + b"./\n")
    (tmp_path / ".dataflux-0123456789abcdef-holiday.jpg").write_bytes(b"1")
    claimed(tmp_path)
    assert files_of(tmp_path) == {".dataflux-0123456789abcdef-holiday.jpg": b"1"}


HOSTILE = {
    "keep": b"k",
    "d/x": b"x",
    ".dataflux-0123456789abcdef.lock": FIRST + b"./\n./d\n",
    ".dataflux-0123456789abcdef-1.part": b"half",
    "d/.dataflux-0123456789abcdef-2.part": b"half",
}


@pytest.mark.parametrize("unsafe_names", ["encode", "skip"])
def test_no_bucket_can_have_files_removed_that_were_downloaded(
    gcs: Emulator, tmp_path: Path, unsafe_names: UnsafeNames
) -> None:
    gcs.create_bucket("b", Memory(HOSTILE))
    pairs = [(name, len(content)) for name, content in HOSTILE.items()]
    with pytest.raises(UnsafeName, match=r"\.lock'?: it is one of the names that a download gives its own files"):
        download_to_directory("b", pairs, tmp_path)
    options = DirectoryOptions(unsafe_names=unsafe_names)
    for _ in range(2):
        done = download_to_directory("b", pairs, tmp_path, options=options)
        wanted = HOSTILE if unsafe_names == "encode" else {"keep": b"k", "d/x": b"x"}
        assert {name_of_path(path): content for path, content in files_of(tmp_path).items()} == wanted
    assert (done.written, done.present) == (0, len(wanted))


def test_where_a_file_system_knows_no_locks_nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lock_file(tmp_path, FIRST)

    def refuse(descriptor: int, operation: int) -> None:
        del descriptor, operation
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with TargetTree(tmp_path) as tree:
        tree.claim()
        tree.write(Place("a", "a"), b"1")
    assert path.exists()
    assert (tmp_path / "a").read_bytes() == b"1"


def test_a_file_that_another_process_has_taken_for_a_dead_ones_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_flock = fcntl.flock
    removed: list[Path] = []

    def flock(descriptor: int, operation: int) -> Any:
        if not removed:  # between the making and the locking
            removed.extend(tmp_path.glob("*.lock"))
            removed[0].unlink()
        return true_flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    root = os.open(tmp_path, os.O_RDONLY)
    journal = Journal(root)
    (there,) = tmp_path.glob("*.lock")
    assert there != removed[0]
    journal.close()
    os.close(root)
    assert not list(tmp_path.iterdir())


def test_a_directory_that_nothing_may_be_made_in_can_have_files_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(root: int) -> None:
        del root
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("dataflux_core._data.target_tree.Journal", refuse)
    with TargetTree(tmp_path) as tree:
        tree.claim()
        tree.write(Place("a", "d/a"), b"1")
    assert files_of(tmp_path) == {"d/a": b"1"}
