"""What the system allows a process is kept to, or named."""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from dataflux_core.emulator import Emulator, Memory
from tests.directory.conftest import files_of

if TYPE_CHECKING:
    from pathlib import Path

LIMITED = """
import sys
from dataflux_core._data import directory_fetch
from dataflux_core.download import FileNotWritten, download_to_directory
directory_fetch.LARGE_BYTES = int(sys.argv[2])
try:
    download_to_directory("b", [("small", 10), ("too-large", 5000)], sys.argv[1])
except FileNotWritten as error:
    print(error.name, error.path, error.__cause__.strerror)
"""


@pytest.mark.parametrize("large_bytes", [10_000, 100], ids=["whole", "in pieces"])
def test_a_disk_that_is_full_is_named_with_the_object_and_the_path(
    gcs: Emulator, tmp_path: Path, large_bytes: int
) -> None:
    gcs.create_bucket("b", Memory({"small": b"x" * 10, "too-large": b"y" * 5000}))
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), str(large_bytes)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout == f"too-large {tmp_path / 'too-large'} File too large\n"
    assert files_of(tmp_path).items() <= {("small", b"x" * 10)}


MANY = """
import sys
from dataflux_core.download import DirectoryOptions, download_to_directory
pairs = [(str(number), 3) for number in range(6000)]
done = download_to_directory("b", pairs, sys.argv[1], options=DirectoryOptions(max_composite_bytes=0))
print(done.written)
"""


def test_connections_leave_room_among_the_open_files_that_are_allowed(gcs: Emulator, tmp_path: Path) -> None:
    objects = {str(number): b"abc" for number in range(6000)}
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
