"""Turn arrays into tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from dataflux_core.errors import ExtraMissing

try:
    import torch
except ImportError as error:
    raise ExtraMissing("tensors, to='torch'", "torch") from error

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Tensor: TypeAlias = Any  # torch's types stay out of what can be imported without it


def tensor_of(array: NDArray[np.generic]) -> Tensor:
    """Return a tensor that shares the array's memory."""
    return torch.from_numpy(array)


def channels_first(array: NDArray[np.generic]) -> Tensor:
    """Return a tensor of (…, channels, height, width) of an array of (…, height, width, channels)."""
    return torch.from_numpy(array).movedim(-1, -3).contiguous()
