"""Samples are stacked into a batch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflux_core._data.samples.collation import collate
from dataflux_core.decoders import Waveform
from dataflux_core.errors import InvalidArgument
from tests.samples.media import PIL_Image, np


def column(values: list[Any]) -> Any:
    return collate([{"x": value} for value in values])["x"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        pytest.param([1, 2, -3], "int64", id="whole numbers"),
        pytest.param([1, 2.5], "float64", id="a whole number among others"),
        pytest.param([True, False], "bool", id="bools"),
        pytest.param([True, 2], "int64", id="a bool among numbers"),
        pytest.param([2**63, 2**64 - 1], "uint64", id="whole numbers of 64 bits"),
        pytest.param([np.float32(1), np.float32(2)], "float32", id="numbers of NumPy"),
        pytest.param([1j, 2], "complex128", id="complex numbers"),
    ],
)
def test_numbers_become_an_array(values: list[Any], dtype: str) -> None:
    array = column(values)
    assert (array.dtype, array.tolist()) == (np.dtype(dtype), values)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(["a", "bc"], id="strings"),
        pytest.param([b"a", b"bc"], id="bytes"),
        pytest.param([None, None], id="nothing"),
        pytest.param([1, None], id="a number and nothing"),
        pytest.param([None, 1], id="nothing and a number"),
        pytest.param([1, "a"], id="a number and a string"),
        pytest.param([2**70, 1], id="numbers beyond 64 bits"),
        pytest.param([-1, 2**63], id="numbers of no common dtype"),
        pytest.param([[1, 2], [3]], id="lists"),
        pytest.param([{"a": 1}, None], id="a dict and nothing"),
        pytest.param([(1, 2), (3, 4)], id="tuples"),
    ],
)
def test_what_no_array_holds_exactly_stays_a_list(values: list[Any]) -> None:
    assert column(values) == values


def test_arrays_of_one_shape_are_stacked() -> None:
    arrays = [np.full((2, 3), number, np.uint8) for number in range(4)]
    stacked = column(arrays)
    assert (stacked.shape, stacked.dtype) == ((4, 2, 3), np.uint8)
    assert np.array_equal(stacked, np.stack(arrays))


def test_ragged_arrays_stay_a_list() -> None:
    arrays = [np.zeros(2), np.zeros(3)]
    assert column(arrays) is not None
    assert [array.shape for array in column(arrays)] == [(2,), (3,)]
    assert [type(value) for value in column([np.zeros(2), None])] == [np.ndarray, type(None)]


def test_tensors_become_arrays() -> None:
    torch = pytest.importorskip("torch")
    stacked = column([torch.zeros(2, 3), torch.ones(2, 3)])
    assert isinstance(stacked, np.ndarray)
    assert stacked.sum() == 6


def test_pictures_of_pillow_stay_a_list() -> None:
    images = [PIL_Image.new("RGB", (2, 2)) for _ in range(2)]
    assert column(images) == images


def test_dicts_and_named_tuples_are_stacked_field_by_field() -> None:
    batch = collate([{"a": {"n": n, "t": str(n)}, "w": Waveform(np.zeros((1, 5)), 8000)} for n in range(3)])
    assert batch["a"]["n"].tolist() == [0, 1, 2]
    assert batch["a"]["t"] == ["0", "1", "2"]
    assert batch["w"].samples.shape == (3, 1, 5)
    assert batch["w"].rate.tolist() == [8000] * 3


@given(st.lists(st.fixed_dictionaries({"n": st.integers(-(2**63), 2**63 - 1), "t": st.text()}), min_size=1))
def test_a_batch_holds_each_value_in_its_place(samples: list[dict[str, Any]]) -> None:
    batch = collate(samples)
    assert [{"n": n, "t": t} for n, t in zip(batch["n"].tolist(), batch["t"], strict=True)] == samples


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        pytest.param([{"a": 1, "b": 2}, {"a": 1}], r"samples\[1\]=a dict without the key 'b'", id="a key is lacking"),
        pytest.param([{"a": 1}, {"a": 1, "b": 2}], r"samples\[1\]=a dict with the key 'b'", id="a key too many"),
        pytest.param([{"a": {"b": 1}}, {"a": {}}], "without the key 'a.b'", id="a key within a dict"),
        pytest.param([], "samples=none", id="no samples"),
    ],
)
def test_samples_that_do_not_fit_together_are_named(samples: list[Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        collate(samples)
