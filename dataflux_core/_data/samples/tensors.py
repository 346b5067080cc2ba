"""Turn arrays into tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from dataflux_core.errors import ExtraMissing

try:
    import numpy as np
    import torch
except ImportError as error:
    raise ExtraMissing("tensors, to='torch'", "torch") from error

if TYPE_CHECKING:
    from numpy.typing import NDArray

Tensor: TypeAlias = Any  # torch's types stay out of what can be imported without it


def tensor_of(array: NDArray[np.generic]) -> Tensor:
    """Return a tensor that shares the array's memory."""
    return torch.from_numpy(array)


def channels_first(array: NDArray[np.generic]) -> Tensor:
    """Return a tensor of (…, channels, height, width) of an array of (…, height, width, channels)."""
    # Moved by NumPy: torch would wake a thread on each core for it, which costs more than decoding a small picture.
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, -1, -3)))
