"""Serve a bucket of made-up samples on this machine, for the examples."""

from __future__ import annotations

import io
import json
import wave
from typing import TYPE_CHECKING

import numpy as np

from dataflux_core.emulator import Emulator, Memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLOURS = ["red", "green", "blue"]
RATE = 8000  # samples a second of a recording


def photos(count: int, seed: int = 0) -> dict[str, bytes]:
    """Make photographs, each with a label beside it: `0000.png`, `0000.json`."""
    from PIL import Image  # noqa: PLC0415 - not every example needs it

    random = np.random.default_rng(seed)
    objects = {}
    for number in range(count):
        pixels = random.integers(0, 160, (32, 32, 3), dtype=np.uint8)
        pixels[..., number % 3] += 80
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        objects[f"{number:04d}.png"] = file.getvalue()
        objects[f"{number:04d}.json"] = json.dumps({"colour": COLOURS[number % 3]}).encode()
    return objects


def recordings(count: int) -> dict[str, bytes]:
    """Make recordings of a tone, two seconds each."""
    objects = {}
    for number in range(count):
        time_s = np.arange(2 * RATE) / RATE
        file = io.BytesIO()
        with wave.open(file, "wb") as writer:
            writer.setparams((1, 2, RATE, 0, "NONE", ""))
            writer.writeframes((9000 * np.sin(2 * np.pi * (200 + 50 * number) * time_s)).astype("<i2").tobytes())
        objects[f"{number:04d}.wav"] = file.getvalue()
    return objects


def films(count: int) -> dict[str, bytes]:
    """Make films of 50 frames, 25 a second, that grow brighter."""
    import av  # noqa: PLC0415 - not every example needs it

    objects = {}
    for number in range(count):
        file = io.BytesIO()
        with av.open(file, "w", format="mp4") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for brightness in range(0, 250, 5):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(_grey(brightness), format="rgb24")))
            container.mux(stream.encode())
        objects[f"{number:04d}.mp4"] = file.getvalue()
    return objects


def bucket(**folders: dict[str, bytes]) -> Emulator:
    """Serve `gs://demo`, with a folder for each keyword; its `environ` says where it is."""
    objects = {f"{folder}/{name}": content for folder, made in folders.items() for name, content in made.items()}
    return Emulator(buckets={"demo": Memory(objects)})


def _grey(brightness: int) -> NDArray[np.uint8]:
    return np.full((48, 64, 3), brightness, np.uint8)
