"""Decode pictures with Pillow."""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING, Any

from dataflux_core._data.samples.kinds import beginning
from dataflux_core.errors import ExtraMissing, InvalidArgument

try:
    import numpy as np
    import PIL.Image
    from PIL import ImageOps, UnidentifiedImageError
except ImportError as error:
    raise ExtraMissing("pictures", "image") from error

if TYPE_CHECKING:
    from dataflux_core._data.samples.image import Image

# What is opened is what people keep pictures in. Pillow knows more, among it formats that start other programs (EPS
# runs Ghostscript) or that hardly anyone has looked at with hostile bytes in mind.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
_RESAMPLE = {
    "nearest": PIL.Image.Resampling.NEAREST,
    "box": PIL.Image.Resampling.BOX,
    "bilinear": PIL.Image.Resampling.BILINEAR,
    "bicubic": PIL.Image.Resampling.BICUBIC,
    "lanczos": PIL.Image.Resampling.LANCZOS,
}
_ORIENTATION_TAG = 0x0112
_TURNED = {5, 6, 7, 8}  # orientations that swap height and width
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
# Above this factor Pillow first averages whole blocks of pixels, which is quicker; 2 can hardly be told from exact.
_REDUCING_GAP = 2.0
_ERROR_FROM = 2  # times its limit Pillow refuses a picture; from the limit itself on it warns


def decode(content: bytes, options: Image) -> Any:  # noqa: ANN401 - of three kinds
    """Return what `options.to` says."""
    try:
        opened = PIL.Image.open(io.BytesIO(content), formats=_formats())
    except UnidentifiedImageError:  # its message names an object in memory
        raise ValueError(f"no picture: {beginning(content)}") from None
    with opened:
        return _formed(_pixels(opened, options), options)


@cache
def _formats() -> tuple[str, ...]:
    """Return those that this build of Pillow has."""
    PIL.Image.init()
    return tuple(form for form in _FORMATS if form in PIL.Image.OPEN)


def check_limit(max_pixels: int) -> None:
    """Refuse a limit that Pillow would not let come true: its own is the whole program's, so it stays as it is."""
    most = PIL.Image.MAX_IMAGE_PIXELS
    if most is not None and max_pixels > _ERROR_FROM * most:
        expected = f"at most {_ERROR_FROM * most}, twice PIL.Image.MAX_IMAGE_PIXELS; raise that in every process first"
        raise InvalidArgument("max_pixels", str(max_pixels), expected)


def blank(options: Image) -> Any:  # noqa: ANN401 - as above
    height, width = options.size or (0, 0)
    return _formed(PIL.Image.new(options.mode or "RGB", (width, height)), options)


def _pixels(image: PIL.Image.Image, options: Image) -> PIL.Image.Image:
    if image.width * image.height > options.max_pixels:
        raise ValueError(f"{image.width} x {image.height} pixels; max_pixels={options.max_pixels}")
    orientation = _orientation(image) if options.orientation == "upright" else 1
    size = None if options.size is None else (options.size[1], options.size[0])
    if size and orientation in _TURNED:  # resized as it is stored, then turned: the fewer pixels the better
        size = (size[1], size[0])
    if size:
        # A JPEG can be decoded at an eighth, a quarter, a half: never below what is wanted. Others ignore it.
        image.draft(options.mode, _wanted(image, size, options))
    image.load()  # a file cut short is an error here
    pixels = _converted(image, options.mode)
    if size and (pixels.size != size):
        box = _middle(pixels.size, size) if options.fit == "crop" else None
        pixels = pixels.resize(size, _RESAMPLE[options.resample], box=box, reducing_gap=_REDUCING_GAP)
    return pixels if orientation == 1 else ImageOps.exif_transpose(_marked(pixels, orientation))


def _orientation(image: PIL.Image.Image) -> int:
    # Only where there is such a block at all. TIFF has none: Pillow turns its pictures by itself.
    return int(image.getexif().get(_ORIENTATION_TAG, 1)) if image.info.get("exif") else 1


def _marked(pixels: PIL.Image.Image, orientation: int) -> PIL.Image.Image:
    """Return the pixels, known to be stored in this orientation: a copy that was resized has forgotten it."""
    pixels.getexif()[_ORIENTATION_TAG] = orientation
    return pixels


def _wanted(image: PIL.Image.Image, size: tuple[int, int], options: Image) -> tuple[int, int]:
    """Return how large the whole picture must be for what is cut out of it to be of `size`."""
    if options.fit == "stretch":
        return size
    scale = max(size[0] / image.width, size[1] / image.height)
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def _middle(stored: tuple[int, int], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the largest box of the proportions of `size` about the middle: left, upper, right, lower."""
    scale = min(stored[0] / size[0], stored[1] / size[1])
    width, height = size[0] * scale, size[1] * scale
    left, upper = (stored[0] - width) / 2, (stored[1] - height) / 2
    return left, upper, min(left + width, stored[0]), min(upper + height, stored[1])


def _converted(image: PIL.Image.Image, mode: str | None) -> PIL.Image.Image:
    if mode is None or image.mode == mode:
        return image
    if image.mode in _SIXTEEN_BITS:  # Pillow would clip them, so that almost all were white
        image = PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in {"I", "F"}:
        raise ValueError(f"pixels of mode {image.mode} have no range that could become 8 bits; mode=None keeps them")
    elif image.mode == "P" and "transparency" in image.info:  # Pillow warns unless it is made of full pixels first
        image = image.convert("RGBA")
    return image.convert(mode)


def _formed(pixels: PIL.Image.Image, options: Image) -> Any:  # noqa: ANN401 - of three kinds
    if options.to == "pil":
        return pixels
    array = np.array(pixels)  # a copy: what asarray() gives cannot be written to
    if array.ndim == 2:  # noqa: PLR2004 - height, width
        array = array[:, :, np.newaxis]
    if options.to == "numpy":
        return array
    from dataflux_core._data.samples.tensors import channels_first  # noqa: PLC0415 - torch is an extra

    return channels_first(array)
