"""Turn the bytes of a sample into what a model takes.

A decoder is any function of `Encoded(content, url)`. Those here are values: they compare, print and can be pickled.
Give one as `data_type` of a dataset, or a mapping from columns to decoders.
"""

from __future__ import annotations

from dataflux_core._data.samples.audio import Audio, Waveform
from dataflux_core._data.samples.choice import Auto
from dataflux_core._data.samples.encoded import Decoder, Encoded
from dataflux_core._data.samples.image import Image
from dataflux_core._data.samples.npy import Npy
from dataflux_core._data.samples.plain import Bytes, Json, Text
from dataflux_core._data.samples.video import Video

__all__ = ["Audio", "Auto", "Bytes", "Decoder", "Encoded", "Image", "Json", "Npy", "Text", "Video", "Waveform"]
