"""Files of this machine: read whole, or an error that says what they are."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from dataflux_core import errors
from tests.fetching.fetchers import crc32c_of, fetcher, one

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_named_by_path_or_url(tmp_path: Path) -> None:
    path = tmp_path / "a b#c?d%20é"
    path.write_bytes(b"bytes")
    with fetcher() as reader:
        assert one(reader, str(path), 5, crc32c_of(b"bytes")) == b"bytes"
        assert one(reader, f"file://{quote(str(path))}") == b"bytes"
        assert one(reader, f"file://localhost{quote(str(path))}") == b"bytes"
        assert reader.stats.requests == 0


def test_an_empty_file_is_no_bytes(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with fetcher() as reader:
        assert one(reader, f"{tmp_path}/empty", 0) == b""


def test_another_size_or_checksum_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"bytes")
    with fetcher() as reader:
        size = one(reader, f"{tmp_path}/x", 4)
        checksum = one(reader, f"{tmp_path}/x", 5, crc32c_of(b"other"))
    assert isinstance(size, errors.ObjectChanged)
    assert isinstance(checksum, errors.ObjectChanged)
    assert (size.read, checksum.quantity) == (5, "crc32c")


def test_a_file_larger_than_may_be_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"bytes")
    with fetcher(max_object_bytes=4) as reader:
        assert "it has 5 bytes, at most 4 are read" in str(one(reader, f"{tmp_path}/x"))
        assert one(reader, f"{tmp_path}/x", 5) == b"bytes"


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        expected = {
            str(tmp_path): "Is a directory",
            f"{tmp_path}/pipe": "it is a pipe",
            f"{tmp_path}/socket": "it is no file",
            f"{tmp_path}/loop": "symbolic links",
            f"{tmp_path}/gone": "No such file",
            "/dev/zero": "it is a device",
            f"/{'x' * 5000}": "too long",
        }
        with fetcher() as reader:
            for path, said in expected.items():
                error = one(reader, path)
                assert isinstance(error, errors.FileNotRead)
                assert said in str(error)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "x").touch(mode=0)
    with fetcher() as reader:
        assert "Permission denied" in str(one(reader, f"{tmp_path}/x"))
