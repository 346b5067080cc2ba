"""Make real pictures, films and recordings, small ones, with the libraries that others make theirs with."""

from __future__ import annotations

import io
import wave
from typing import Any

import pytest

from dataflux_core._data.samples.encoded import Encoded

np = pytest.importorskip("numpy")
PIL_Image = pytest.importorskip("PIL.Image")
av = pytest.importorskip("av")

FRAMES, FRAME_RATE, STEP = 30, 10, 8
FILMS = [
    ("mpeg4", "mp4"),
    ("libx264", "mp4"),
    ("libx264", "mov"),
    ("libx264", "matroska"),
    ("libvpx", "webm"),
    ("mpeg4", "avi"),
    ("libx264", "mpegts"),
]


def encoded(content: bytes, url: str = "gs://bucket/sample") -> Encoded:
    return Encoded(content, url)


def smooth(height: int, width: int, channels: int = 3) -> Any:
    """Return a picture without edges, as JPEG likes it: red grows downwards, green to the right."""
    down, right = np.meshgrid(np.linspace(0, 255, height), np.linspace(0, 255, width), indexing="ij")
    return np.stack([down, right, (down + right) / 2, down][:channels], axis=-1).astype(np.uint8)


def picture(array: Any, form: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    PIL_Image.fromarray(array).save(stream, form, **options)
    return stream.getvalue()


def has_encoder(codec: str) -> bool:
    try:
        av.codec.Codec(codec, "w")
    except av.FFmpegError:
        return False
    return True


def film(codec: str = "mpeg4", container: str = "mp4", size: tuple[int, int] = (48, 64), still: Any = None) -> bytes:
    """Return 3 s, ten frames a second: the n-th is of brightness 8 n, or all show a still."""
    if not has_encoder(codec):
        pytest.skip(f"FFmpeg has no {codec} here")
    stream = io.BytesIO()
    with av.open(stream, "w", format=container) as written:
        track = written.add_stream(codec, rate=FRAME_RATE)
        track.height, track.width = size
        track.pix_fmt, track.options = "yuv420p", {"g": "12"}
        for number in range(FRAMES):
            shown = np.full((*size, 3), number * STEP, np.uint8) if still is None else still
            frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
            written.mux(track.encode(frame))
        written.mux(track.encode())
    return stream.getvalue()


def frame_numbers(frames: Any) -> list[int]:
    """Tell frames of `film` by their brightness."""
    return [round(float(frame.mean()) / STEP) for frame in frames]


def sound(codec: str, container: str, samples: Any, rate: int) -> bytes:
    """Encode int16 of (channels, samples)."""
    if not has_encoder(codec):
        pytest.skip(f"FFmpeg has no {codec} here")
    layout = {1: "mono", 2: "stereo"}[len(samples)]
    stream = io.BytesIO()
    with av.open(stream, "w", format=container) as written:
        track = written.add_stream(codec, rate=rate, layout=layout)
        whole = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1), format="s16", layout=layout)
        whole.sample_rate = rate
        cutter = av.AudioResampler(track.format.name, layout, rate, track.codec_context.frame_size or 1024)
        for given in (whole, None):
            for frame in cutter.resample(given):
                written.mux(track.encode(frame))
        written.mux(track.encode())
    return stream.getvalue()


def wav(samples: Any, rate: int) -> bytes:
    """Write int16, or uint8, of (channels, samples) without FFmpeg."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as written:
        written.setparams((len(samples), samples.itemsize, rate, 0, "NONE", ""))
        written.writeframes(samples.T.tobytes())
    return stream.getvalue()
