"""Train on batches of numpy arrays, without any framework.

JAX and TensorFlow take the same batches: `jax.device_put(batch["png"])`, `tf.convert_to_tensor(batch["png"])`.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from made_bucket import COLOURS, bucket, photos

from dataflux_core.streaming import StreamingDataset

FEATURES = 3


def to_model(sample: dict[str, Any]) -> dict[str, Any]:
    """Give the mean of each colour, and the label as a number."""
    return {"mean": sample["png"].mean((0, 1)) / 255, "label": COLOURS.index(sample["json"]["colour"])}


def main() -> None:
    dataset = StreamingDataset("gs://demo/photos/", shuffle=True, seed=1, transforms=to_model)
    weights = np.zeros((FEATURES, len(COLOURS)))
    for epoch in range(3):  # each iteration is the next epoch, in an order of its own
        right = 0
        for batch in dataset.batches(32, drop_last=True):
            inputs = batch["mean"] - batch["mean"].mean(1, keepdims=True)
            scores = np.exp(inputs @ weights)
            shares = scores / scores.sum(1, keepdims=True)
            right += int((shares.argmax(1) == batch["label"]).sum())
            weights -= 5 * inputs.T @ (shares - np.eye(len(COLOURS))[batch["label"]]) / len(shares)
        print(f"epoch {epoch}: {right / (len(dataset) // 32 * 32):.0%} right")
    print(f"waited for data {dataset.stats().waiting_share:.0%} of the time")


if __name__ == "__main__":
    with bucket(photos=photos(200)) as gcs:
        os.environ.update(gcs.environ)
        main()
