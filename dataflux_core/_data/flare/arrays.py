"""Stack the arrays of many .npy files into one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from numpy.lib import format as npy_format

from dataflux_core._data.flare.sample_reading import content_of
from dataflux_core._data.samples.arrays import array_of
from dataflux_core._wire.flare.conventions import ITEM_BYTES
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dataflux_core._data.flare.gathering import SampleFile

_ADVICE = "mend or remove it, or pack into tar or parquet"


@dataclass(frozen=True, slots=True)
class ArrayKind:
    """What all the arrays of a stream are."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @classmethod
    def of(cls, file: SampleFile) -> ArrayKind:
        """Learn it from the first of them; raises IndexUnusable where the file holds none."""
        array = _array_in(file)
        if not array.nbytes:  # a reader takes any number of these from nothing, so it refuses them
            raise IndexUnusable(file.path, f"an array without numbers, {_said(array.dtype, array.shape)}", _ADVICE)
        return cls(array.dtype, array.shape)

    @property
    def dtype_name(self) -> str:
        """The name that headers have for the numbers; "" where there is none."""
        name = self.dtype.newbyteorder("=").name
        return name if name in ITEM_BYTES else ""

    def write_header(self, out: BinaryIO, records: int) -> None:
        """Write what stands before the numbers of so many arrays."""
        descr, shape = npy_format.dtype_to_descr(self.dtype), (records, *self.shape)
        npy_format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})

    def numbers_of(self, file: SampleFile) -> bytes:
        """Return the numbers of one array; raises IndexUnusable where it is another kind."""
        array = _array_in(file)
        if (array.dtype, array.shape) != (self.dtype, self.shape):
            problem = (
                f"{_said(array.dtype, array.shape)}, the first array of the folder {_said(self.dtype, self.shape)}"
            )
            raise IndexUnusable(file.path, problem, _ADVICE)
        return array.tobytes()


def _array_in(file: SampleFile) -> NDArray[Any]:
    content = content_of(file)
    try:
        return array_of(content)  # as readers of the chunk will: what they would refuse is not packed
    except Exception as error:  # hostile bytes make libraries raise anything
        raise IndexUnusable(file.path, f"no array that can be read ({error})", _ADVICE) from error


def _said(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    return f"{dtype} of shape {list(shape)}"
