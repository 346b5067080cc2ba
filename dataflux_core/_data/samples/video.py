"""Say which frames of a film become an array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dataflux_core._data.samples.limits import MAX_DECODED_BYTES, at_least, clip_bounds, height_and_width, one_of

if TYPE_CHECKING:
    from types import ModuleType

    from dataflux_core._data.samples.encoded import Encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """Give frames as uint8 RGB: an array of (frames, height, width, 3) or a tensor of (frames, 3, height, width).

    `clip_s` is (start, stop) in seconds: frames shown at start <= time < stop, counted from the first frame; a stop of
    None is the end. `every` takes the first frame of the clip and each k-th after it. `size` is (height, width),
    resized frame by frame. `orientation="upright"` turns them as the camera says. `threads` decode one film: 1 is right
    where several workers decode. Raises where the file is cut short or no film, where no frame lies in the clip, and
    where frames take more than `max_bytes`.
    """

    clip_s: tuple[float, float | None] | None = None
    every: int = 1
    size: tuple[int, int] | None = None
    to: Literal["numpy", "torch"] = "numpy"
    orientation: Literal["upright", "stored"] = "upright"
    threads: int = 1
    max_bytes: int = MAX_DECODED_BYTES

    def __post_init__(self) -> None:
        clip_bounds(self.clip_s)
        at_least("every", self.every, 1)
        height_and_width(self.size)
        one_of("to", self.to, ("numpy", "torch"))
        one_of("orientation", self.orientation, ("upright", "stored"))
        at_least("threads", self.threads, 0)
        at_least("max_bytes", self.max_bytes, 1)
        _frames()  # an extra that is missing is said here, not amid an epoch
        if self.to == "torch":
            from dataflux_core._data.samples import tensors  # noqa: F401, PLC0415 - as above

    def __call__(self, encoded: Encoded) -> Any:  # noqa: ANN401 - `to` says which of two
        return _frames().decode(encoded.content, self)


def _frames() -> ModuleType:
    from dataflux_core._data.samples import frames  # noqa: PLC0415 - PyAV is an extra

    return frames
