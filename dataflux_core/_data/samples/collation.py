"""Stack samples into one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from dataflux_core.errors import ExtraMissing, InvalidArgument

try:
    import numpy as np
except ImportError as error:
    raise ExtraMissing("batches", "streaming") from error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Batch: TypeAlias = dict[str, Any]

_NUMBERS = (bool, int, float, complex, np.number, np.bool_)


def collate(samples: Sequence[Mapping[str, Any]]) -> Batch:
    """Stack the values of each key: dicts in, one dict of arrays and lists out.

    Arrays and tensors of equal shape become one array of (samples, …), numbers one array of (samples,): int64, float64
    or bool of Python's. Strings, bytes, ragged arrays and anything else stay lists. Dicts and named tuples within
    samples are stacked field by field. Raises InvalidArgument where the keys of two samples differ.
    """
    if not samples:
        raise InvalidArgument("samples", "none", "at least one sample to a batch")
    return _of_dicts(samples, "")


def _of_dicts(samples: Sequence[Mapping[str, Any]], path: str) -> Batch:
    keys = samples[0].keys()
    for number, sample in enumerate(samples):
        if sample.keys() != keys:
            _refuse(number, path, keys - sample.keys(), sample.keys() - keys)
    return {key: _of_values([sample[key] for sample in samples], f"{path}{key}.") for key in keys}


def _refuse(number: int, path: str, lacking: set[str], besides: set[str]) -> None:
    key = min(lacking or besides, key=str)
    raise InvalidArgument(
        f"samples[{number}]",
        f"a dict {'without' if lacking else 'with'} the key {f'{path}{key}'!r}",
        "the keys of samples[0] in each: add or leave out keys in a transform, or batch by a function of your own",
    )


def _of_values(values: list[Any], path: str) -> Any:  # noqa: ANN401 - an array, a list, a dict
    first = values[0]
    if isinstance(first, _NUMBERS):
        return _of_numbers(values)
    if isinstance(first, dict) and all(isinstance(value, dict) for value in values):
        return _of_dicts(values, path)
    if isinstance(first, tuple) and hasattr(first, "_fields") and all(type(value) is type(first) for value in values):
        return type(first)(*(_of_values(list(column), path) for column in zip(*values, strict=True)))
    if hasattr(first, "__array__"):
        return _of_arrays(values)
    return values


def _of_numbers(values: list[Any]) -> NDArray[np.generic] | list[Any]:
    if not all(isinstance(value, _NUMBERS) for value in values):
        return values
    try:
        array = np.array(values)
    except OverflowError:
        return values
    # Numbers that no dtype holds would become objects; whole ones beyond 63 bits, floats that are not quite they.
    whole = all(isinstance(value, int | np.integer) for value in values)
    return values if array.dtype.kind == "O" or (whole and array.dtype.kind == "f") else array


def _of_arrays(values: list[Any]) -> NDArray[np.generic] | list[Any]:
    shape = getattr(values[0], "shape", None)
    if shape is None or any(getattr(value, "shape", None) != shape for value in values):
        return values
    arrays = [np.asarray(value) for value in values]
    return values if any(array.dtype.kind == "O" for array in arrays) else np.stack(arrays)
