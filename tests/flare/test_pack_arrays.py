"""What is packed into npy is what readers of npy take."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from dataflux_core._data.flare.packing import PackOptions, pack
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = PackOptions("https://a.example.org/set/", "npy")


def test_arrays_of_another_kind_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(2, "f4"))
    np.save(tmp_path / "b.npy", np.zeros(3, "f4"))
    with pytest.raises(
        IndexUnusable, match=r"b.npy: float32 of shape \[3\], the first array .* float32 of shape \[2\]"
    ):
        pack(tmp_path, tmp_path.parent / f"{tmp_path.name}-dst", OPTIONS)
    objects = tmp_path / "objects"
    objects.mkdir()
    np.save(objects / "a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(IndexUnusable, match="no array that can be read"):
        pack(objects, tmp_path.parent / f"{tmp_path.name}-dst", OPTIONS)


@pytest.mark.parametrize(
    ("header", "version", "said"),
    [
        pytest.param(
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1125899906842624,)}", 1, "bytes, 8 are there", id="size"
        ),
        pytest.param(
            "{'descr': [('ж', '<f4')], 'fortran_order': False, 'shape': (2,)}", 3, "only 1.0 and 2.0", id="version"
        ),
        pytest.param("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", 1, "takes -8 bytes", id="negative"),
        pytest.param("{'descr': '<f4', 'shape': " + "(" * 900 + "}", 1, "no array that can be read", id="brackets"),
        pytest.param("{}", 1, "no array that can be read", id="nothing said"),
    ],
)
def test_arrays_that_no_reader_would_take_are_refused(header: str, version: int, said: str, tmp_path: Path) -> None:
    length = struct.pack("<H" if version == 1 else "<I", len(header.encode()))
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + bytes(8))
    with pytest.raises(IndexUnusable, match="a.npy: no array that can be read") as raised:
        pack(tmp_path, tmp_path.parent / f"{tmp_path.name}-dst", OPTIONS)
    assert said in str(raised.value)


def test_arrays_of_nothing_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 0), "f4"))
    with pytest.raises(IndexUnusable, match=r"an array without numbers, float32 of shape \[2, 0\]"):
        pack(tmp_path, tmp_path.parent / f"{tmp_path.name}-dst", OPTIONS)
