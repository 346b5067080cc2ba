"""Decode films with PyAV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflux_core._plan.text import human_bytes
from dataflux_core.errors import ExtraMissing

try:
    import numpy as np

    from dataflux_core._data.samples.containers import opened
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
_NEAREST_S = 1e-6  # times are fractions of a clock, given as floats


def decode(content: bytes, options: Video) -> Any:  # noqa: ANN401 - `to` says which of two
    """Return frames as an array or a tensor."""
    with opened(content, "film") as container:
        if not container.streams.video:
            raise ValueError("no film: there is no stream of pictures in it")
        stream = container.streams.video[0]
        stream.codec_context.thread_count = options.threads
        stream.codec_context.options = {"max_pixels": str(_MAX_FRAME_PIXELS)}
        pictures = _pictures(_chosen(container, stream, options), options)
    if not pictures:
        where = "" if options.clip_s is None else f" at clip_s={options.clip_s}"
        raise ValueError(f"no frame{where}; the film has {_length(stream)}")
    array = np.stack(pictures)
    if options.to == "numpy":
        return array
    from dataflux_core._data.samples.tensors import channels_first  # noqa: PLC0415 - torch is an extra

    return channels_first(array)


def _pictures(frames: Iterator[VideoFrame], options: Video) -> list[NDArray[np.uint8]]:
    """Resize and convert in one step, frame by frame, so that full ones are never held."""
    pictures: list[NDArray[np.uint8]] = []
    held_bytes = 0
    for number, frame in enumerate(frames):
        if number % options.every:
            continue
        height, width = options.size or (frame.height, frame.width)
        picture: NDArray[np.uint8] = frame.reformat(format="rgb24", width=width, height=height).to_ndarray()  # type: ignore[assignment]
        held_bytes += picture.nbytes
        if held_bytes > options.max_bytes:
            raise ValueError(
                f"{len(pictures) + 1} frames of {height} x {width} take {human_bytes(held_bytes)}; "
                f"max_bytes={options.max_bytes}: choose a clip, a size or every k-th frame"
            )
        pictures.append(picture)
    return pictures


def _chosen(container: InputContainer, stream: VideoStream, options: Video) -> Iterator[VideoFrame]:
    """Yield the frames of the clip, decoding from the key frame before it."""
    start_s, stop_s = options.clip_s or (0.0, None)
    first_s = float((stream.start_time or 0) * stream.time_base) if stream.time_base else 0.0
    frames = _timed(container, stream, first_s)
    if start_s > 0 and stream.time_base:
        frames = _sought(container, stream, (first_s, start_s))
    for time_s, frame in frames:
        if stop_s is not None and time_s >= stop_s - _NEAREST_S:
            return
        if time_s >= start_s - _NEAREST_S:
            yield frame


def _sought(
    container: InputContainer, stream: VideoStream, zero_and_start_s: tuple[float, float]
) -> Iterator[tuple[float, VideoFrame]]:
    """Yield from the key frame before the start; from the beginning where the file leads beyond it."""
    first_s, start_s = zero_and_start_s
    container.seek(_ticks(stream, first_s + start_s), stream=stream)
    frames = _timed(container, stream, first_s)
    head = next(frames, None)
    if head is None or head[0] > start_s:
        container.seek(_ticks(stream, first_s), stream=stream)
        frames = _timed(container, stream, first_s)
    else:
        yield head
    yield from frames


def _ticks(stream: VideoStream, time_s: float) -> int:
    return int(time_s / stream.time_base) if stream.time_base else 0


def _timed(container: InputContainer, stream: VideoStream, first_s: float) -> Iterator[tuple[float, VideoFrame]]:
    """Yield frames with their times from the first; where they carry none, the rate tells."""
    spacing_s = float(1 / stream.average_rate) if stream.average_rate else 0.0
    for number, frame in enumerate(container.decode(stream)):
        yield (frame.time - first_s if frame.pts is not None else number * spacing_s), frame


def _length(stream: VideoStream) -> str:
    if stream.duration is None or stream.time_base is None:
        return "a length that it does not say"
    return f"{float(stream.duration * stream.time_base):.3f} s"
