"""Say which part of a recording becomes a waveform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dataflux_core._data.samples.limits import MAX_DECODED_BYTES, at_least, clip_bounds, one_of

if TYPE_CHECKING:
    from types import ModuleType

    from dataflux_core._data.samples.encoded import Encoded


class Waveform(NamedTuple):
    """Sound as float32 of (channels, samples) from -1 to 1; `rate` is samples a second."""

    samples: Any
    rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """Give a `Waveform`: an array or a tensor of (channels, samples), with its rate.

    `clip_s` is (start, stop) in seconds, cut at the samples nearest to them before anything else is done; a stop of
    None is the end, and what lies beyond the end is not made up. `mono=True` takes the mean of all channels; `rate`
    resamples to as many samples a second. Raises where the file is cut short or holds no sound, where no sample lies
    in the clip, and where samples take more than `max_bytes`.
    """

    clip_s: tuple[float, float | None] | None = None
    rate: int | None = None
    mono: bool = False
    to: Literal["numpy", "torch"] = "numpy"
    max_bytes: int = MAX_DECODED_BYTES

    def __post_init__(self) -> None:
        clip_bounds(self.clip_s)
        if self.rate is not None:
            at_least("rate", self.rate, 1)
        one_of("to", self.to, ("numpy", "torch"))
        at_least("max_bytes", self.max_bytes, 1)
        _waveforms()  # an extra that is missing is said here, not amid an epoch
        if self.to == "torch":
            from dataflux_core._data.samples import tensors  # noqa: F401, PLC0415 - as above

    def __call__(self, encoded: Encoded) -> Waveform:
        samples, rate = _waveforms().decode(encoded.content, self)
        return Waveform(samples, rate)


def _waveforms() -> ModuleType:
    from dataflux_core._data.samples import waveforms  # noqa: PLC0415 - PyAV is an extra

    return waveforms
