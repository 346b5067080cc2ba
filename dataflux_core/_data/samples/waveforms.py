"""Decode recordings with PyAV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dataflux_core._plan.text import human_bytes
from dataflux_core.errors import ExtraMissing

try:
    import av
    import numpy as np

    from dataflux_core._data.samples.containers import decodable, opened
except ImportError as error:
    raise ExtraMissing("recordings", "audio") from error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from numpy.typing import NDArray

    from dataflux_core._data.samples.audio import Audio

_PREROLL_S = 1  # a seek may lead to the packet after the one that holds the start
_SAMPLE_BYTES = 4


def decode(content: bytes, options: Audio) -> tuple[Any, int]:
    """Return samples, as an array or a tensor, with their rate."""
    with opened(content, "recording") as container:
        stream = decodable(container.streams.audio, "recording", "sound")
        stored_rate = stream.rate or 0
        if stored_rate <= 0:
            raise ValueError("no recording: its sound has no rate")
        samples = _clip(container, stream, options)
        seen = _seen(stream, stored_rate)
    if not samples.size:
        where = "" if options.clip_s is None else f" at clip_s={options.clip_s}"
        raise ValueError(f"no sound{where}; {seen}")
    if options.mono:
        samples = samples.mean(axis=0, keepdims=True, dtype=np.float32)
    rate = options.rate or stored_rate
    if rate != stored_rate:
        samples = np.concatenate([_resampled(channel, stored_rate, rate) for channel in samples])
    samples = np.ascontiguousarray(samples)
    if options.to == "numpy":
        return samples, rate
    from dataflux_core._data.samples.tensors import tensor_of  # noqa: PLC0415 - torch is an extra

    return tensor_of(samples), rate


def _clip(container: InputContainer, stream: AudioStream, options: Audio) -> NDArray[np.float32]:
    """Return (channels, samples) of the clip, exact to the sample."""
    start_s, stop_s = options.clip_s or (0.0, None)
    rate = stream.rate or 1
    start = round(start_s * rate)
    stop = None if stop_s is None else round(stop_s * rate)
    parts: list[NDArray[np.float32]] = []
    held_bytes, reached = 0, 0
    for at, frame in _placed(container, stream, start):
        reached = at + frame.samples
        if stop is not None and at >= stop:
            break
        if reached <= start:
            continue
        part = _floats(frame)[:, max(0, start - at) : None if stop is None else max(0, stop - at)]
        held_bytes += part.shape[0] * part.shape[1] * _SAMPLE_BYTES
        if held_bytes > options.max_bytes:
            raise ValueError(f"the samples take {human_bytes(held_bytes)} or more; max_bytes={options.max_bytes}")
        parts.append(part)
    if (stop is None or reached < stop) and reached < _declared(stream):
        raise ValueError(f"cut short: {reached:,} samples are there, {_declared(stream):,} were promised")
    if len({part.shape[0] for part in parts}) > 1:
        raise ValueError("its sound changes the number of channels on the way")
    return np.concatenate(parts, axis=1) if parts else np.empty((0, 0), np.float32)


def _placed(container: InputContainer, stream: AudioStream, start: int) -> Iterator[tuple[int, AudioFrame]]:
    """Yield frames with the number of their first sample.

    Where a sample's place can be told from the clock alone, decoding begins shortly before the start. Elsewhere (MP3
    carries bits over from frame to frame, AAC a window) it begins at the beginning, since nothing else is exact.
    """
    rate = stream.rate or 1
    before = start - _PREROLL_S * rate
    if before <= 0 or stream.time_base is None or not _has_places(stream):
        at = 0
        for frame in container.decode(stream):
            yield at, frame
            at += frame.samples
        return
    first = stream.start_time or 0
    container.seek(int(before / rate / stream.time_base) + first, stream=stream)
    for frame in container.decode(stream):
        if frame.pts is None or frame.time_base is None:
            raise ValueError("its sound carries no times, so no clip of it can be cut")
        yield round((frame.pts * frame.time_base - first * stream.time_base) * rate), frame


def _has_places(stream: AudioStream) -> bool:
    name = stream.codec_context.name
    return name.startswith("pcm_") or name == "flac"


def _declared(stream: AudioStream) -> int:
    """Return how many samples FLAC says there are: its file says nothing of its bytes."""
    if stream.codec_context.name != "flac" or stream.duration is None or stream.time_base is None:
        return 0
    return round(stream.duration * stream.time_base * (stream.rate or 1))


def _floats(frame: AudioFrame) -> NDArray[np.float32]:
    """Return (channels, samples) from -1 to 1, whatever is stored: 16 bits are exact, 24 too, 32 are rounded."""
    stored = frame.to_ndarray()
    if not frame.format.is_planar:
        stored = stored.reshape(-1, frame.layout.nb_channels).T
    if stored.dtype.kind == "f":
        return stored.astype(np.float32)
    half = 2.0 ** (8 * stored.dtype.itemsize - 1)
    silence = half if stored.dtype.kind == "u" else 0.0  # 8 bits without a sign have it in the middle
    return ((stored - silence) / half).astype(np.float32)


def _resampled(channel: NDArray[np.float32], stored_rate: int, rate: int) -> NDArray[np.float32]:
    """Resample one channel to (1, samples): as many as the same time takes at the new rate."""
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channel[np.newaxis]), format="fltp", layout="mono")
    frame.sample_rate = stored_rate
    parts = [part.to_ndarray() for given in (frame, None) for part in resampler.resample(given)]
    samples = np.concatenate(parts, axis=1) if parts else np.zeros((1, 0), np.float32)
    # The filter gives a sample more or less at the end, depending on its own length.
    wanted = max(1, round(channel.size * rate / stored_rate))
    padded = np.zeros((1, wanted), np.float32)
    padded[:, : samples.shape[1]] = samples[:, :wanted]
    return padded


def _seen(stream: AudioStream, rate: int) -> str:
    if stream.duration is None or stream.time_base is None:
        return "it does not say how long it is"
    return f"it lasts {float(stream.duration * stream.time_base):.3f} s at {rate} samples a second"
