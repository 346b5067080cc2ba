"""Decode films with PyAV."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Any

from dataflux_core._plan.text import human_bytes
from dataflux_core.errors import ExtraMissing

try:
    import numpy as np

    from dataflux_core._data.samples.containers import decodable, opened
except ImportError as error:
    raise ExtraMissing("films", "video") from error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from dataflux_core._data.samples.video import Video

_MAX_FRAME_PIXELS = 2**26  # 8192 x 8192; a stream may claim 32 times as many in a header of some bytes
# SWS_BILINEAR and SWS_FULL_CHR_H_INT of FFmpeg's swscale.h. Without the latter it rounds down on the way, so that what
# is resized becomes darker by up to 2 of 255. Where nothing is resized the quick way is within 1, and far quicker.
_INTERPOLATION = 0x2 | 0x2000
_NEAREST_S = 1e-6  # times are fractions of a clock, given as floats


def decode(content: bytes, options: Video) -> Any:  # noqa: ANN401 - `to` says which of two
    """Return frames as an array or a tensor."""
    start_s = options.clip_s[0] if options.clip_s else 0.0
    pictures = _pictures_of(content, options, seek_s=start_s) if start_s else None
    if pictures is None:
        pictures = _pictures_of(content, options, seek_s=0.0)
    array = np.stack(pictures or [])
    if options.to == "numpy":
        return array
    from dataflux_core._data.samples.tensors import channels_first  # noqa: PLC0415 - torch is an extra

    return channels_first(array)


def _pictures_of(content: bytes, options: Video, *, seek_s: float) -> list[NDArray[np.uint8]] | None:
    """Return the pictures, decoded from the key frame before `seek_s`; None where the file does not lead there."""
    with opened(content, "film") as container:
        stream = decodable(container.streams.video, "film", "pictures")
        stream.codec_context.thread_count = options.threads
        stream.codec_context.options = {"max_pixels": str(_MAX_FRAME_PIXELS)}
        frames = _timed(container, stream, seek_s)
        if seek_s:
            head = next(frames, None)
            if head is None or head[0] > seek_s:
                return None
            frames = chain([head], frames)
        pictures = _pictures(_within(frames, options.clip_s), options)
        if not pictures:
            where = "" if options.clip_s is None else f" at clip_s={options.clip_s}"
            raise ValueError(f"no frame{where}; the film has {_length(stream)}")
        return pictures


def _pictures(frames: Iterator[VideoFrame], options: Video) -> list[NDArray[np.uint8]]:
    """Resize and convert in one step, frame by frame, so that full ones are never held."""
    pictures: list[NDArray[np.uint8]] = []
    held_bytes = 0
    for number, frame in enumerate(frames):
        if number % options.every:
            continue
        picture = _picture(frame, options)
        held_bytes += picture.nbytes
        if held_bytes > options.max_bytes:
            raise ValueError(
                f"{len(pictures) + 1} frames of {picture.shape[0]} x {picture.shape[1]} take "
                f"{human_bytes(held_bytes)}; max_bytes={options.max_bytes}: choose a clip, a size or every k-th frame"
            )
        pictures.append(picture)
    return pictures


def _picture(frame: VideoFrame, options: Video) -> NDArray[np.uint8]:
    """Resize, convert, turn."""
    turns = round(getattr(frame, "rotation", 0) / 90) if options.orientation == "upright" else 0  # against the clock
    height, width = options.size or (None, None)
    if turns % 2:  # resized as it is stored, then turned
        height, width = width, height
    resized = frame.reformat(width, height, "rgb24", interpolation=_INTERPOLATION if options.size else None)
    picture: NDArray[np.uint8] = resized.to_ndarray()  # type: ignore[assignment] # it is of the format asked for
    return np.rot90(picture, turns) if turns else picture


def _within(
    frames: Iterator[tuple[float, VideoFrame]], clip_s: tuple[float, float | None] | None
) -> Iterator[VideoFrame]:
    start_s, stop_s = clip_s or (0.0, None)
    for time_s, frame in frames:
        if stop_s is not None and time_s >= stop_s - _NEAREST_S:
            return
        if clip_s is None or time_s >= start_s - _NEAREST_S:
            yield frame


def _timed(container: InputContainer, stream: VideoStream, seek_s: float) -> Iterator[tuple[float, VideoFrame]]:
    """Yield frames with their times from the first; where they carry none, the rate tells."""
    tick_s = float(stream.time_base) if stream.time_base else 0.0
    first = stream.start_time or 0
    if seek_s and tick_s:
        container.seek(first + int(seek_s / tick_s), stream=stream)
    spacing_s = float(1 / stream.average_rate) if stream.average_rate else 0.0
    for number, frame in enumerate(container.decode(stream)):
        if frame.pts is not None:
            yield (frame.pts - first) * tick_s, frame
        else:  # counted from where decoding began, so after a seek it would be another frame's time
            yield (math.inf if seek_s else number * spacing_s), frame


def _length(stream: VideoStream) -> str:
    if stream.duration is None or stream.time_base is None:
        return "a length that it does not say"
    return f"{float(stream.duration * stream.time_base):.3f} s"
