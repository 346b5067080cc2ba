"""Draw four fifths of each epoch from a large source, one fifth from a small one."""

from __future__ import annotations

import os
from collections import Counter
from itertools import islice

from made_bucket import bucket, photos

from dataflux_core.streaming import MixedDataset, StreamingDataset


def main() -> None:
    web = StreamingDataset("gs://demo/web/", shuffle=True, transforms=lambda sample: {**sample, "source": "web"})
    books = StreamingDataset("gs://demo/books/", shuffle=True, transforms=lambda sample: {**sample, "source": "books"})
    mix = MixedDataset([web, books], proportion=[0.8, 0.2], epoch_samples=150, seed=3)
    for epoch in range(2):
        drawn = Counter(sample["source"] for sample in mix)
        print(f"epoch {epoch}: {drawn['web']} of web, {drawn['books']} of books")

    # Each batch of one source: as many samples in a row as batch_size says.
    apart = MixedDataset([web, books], repeat=[1, 3], batches="one", batch_size=10, seed=3)
    samples = iter(apart)
    while batch := list(islice(samples, 10)):
        print("".join(sample["source"][0] for sample in batch), end=" ")
    print(f"\n{len(apart)} samples: web once, books three times")


if __name__ == "__main__":
    with bucket(web=photos(300), books=photos(30, seed=1)) as gcs:
        os.environ.update(gcs.environ)
        main()
