"""Say how a picture becomes an array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from dataflux_core._data.samples.limits import MAX_PIXELS, at_least, height_and_width, one_of

if TYPE_CHECKING:
    from types import ModuleType

    from dataflux_core._data.samples.encoded import Encoded

Form: TypeAlias = Literal["numpy", "torch", "pil"]
Mode: TypeAlias = Literal["RGB", "RGBA", "L"]
Resample: TypeAlias = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Give a picture as uint8: an array of (height, width, channels), a tensor of (channels, height, width), or PIL's.

    `size` is (height, width) in pixels; `fit` says whether a picture of other proportions is stretched or cropped
    about its middle. `mode=None` keeps what is stored: the numbers of a palette, 16 bits. `orientation="upright"` turns
    a picture as its camera says. Raises where the bytes are cut short or are no picture, and, before any pixel is
    decoded, where there are more than `max_pixels`, which may be twice PIL.Image.MAX_IMAGE_PIXELS. Of an animation it
    is the first frame.
    """

    size: tuple[int, int] | None = None
    mode: Mode | None = "RGB"
    to: Form = "numpy"
    fit: Literal["stretch", "crop"] = "stretch"
    resample: Resample = "bilinear"
    orientation: Literal["upright", "stored"] = "upright"
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        height_and_width(self.size)
        one_of("mode", self.mode, ("RGB", "RGBA", "L", None))
        one_of("to", self.to, ("numpy", "torch", "pil"))
        one_of("fit", self.fit, ("stretch", "crop"))
        one_of("resample", self.resample, ("nearest", "box", "bilinear", "bicubic", "lanczos"))
        one_of("orientation", self.orientation, ("upright", "stored"))
        at_least("max_pixels", self.max_pixels, 1)
        _pictures().check_limit(self.max_pixels)  # an extra that is missing is said here, not amid an epoch
        if self.to == "torch":
            from dataflux_core._data.samples import tensors  # noqa: F401, PLC0415 - as above

    def __call__(self, encoded: Encoded) -> Any:  # noqa: ANN401 - `to` says which of three
        return _pictures().decode(encoded.content, self)

    def blank(self) -> Any:  # noqa: ANN401 - as above
        """Return a black picture of `size`, or None where that does not tell its shape."""
        return _pictures().blank(self) if self.size and self.mode else None


def _pictures() -> ModuleType:
    from dataflux_core._data.samples import pictures  # noqa: PLC0415 - Pillow is an extra

    return pictures
