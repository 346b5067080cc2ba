"""Decode clips of films and recordings: every fifth frame of a second, half a second of sound."""

from __future__ import annotations

import os

from made_bucket import bucket, films, recordings

from dataflux_core.decoders import Audio, Video
from dataflux_core.streaming import StreamingDataset


def main() -> None:
    clip = Video(clip_s=(0.5, 1.5), every=5, size=(24, 32))
    for batch in StreamingDataset("gs://demo/films/", data_type=clip).batches(4):
        print("films", batch["mp4"].shape, batch["mp4"].dtype)  # (films, frames, height, width, channels)

    sound = Audio(clip_s=(1.0, 1.5), rate=4000, mono=True)
    for batch in StreamingDataset("gs://demo/recordings/", data_type=sound).batches(8):
        waveforms = batch["wav"]
        print("recordings", waveforms.samples.shape, waveforms.rate[0])  # (recordings, channels, samples)


if __name__ == "__main__":
    with bucket(films=films(4), recordings=recordings(8)) as gcs:
        os.environ.update(gcs.environ)
        main()
