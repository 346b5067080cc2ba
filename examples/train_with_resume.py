"""Train with torch, stop in the middle of an epoch, go on with other workers: each sample comes exactly once."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from typing import Any

import numpy as np
import torch
from made_bucket import COLOURS, bucket, photos
from torch.utils.data import DataLoader

from dataflux_core.streaming import StreamingDataset

SAMPLES = 200
BATCH = 16


def to_model(sample: dict[str, Any]) -> dict[str, Any]:
    photo = np.float32(sample["png"]).transpose(2, 0, 1) / 255
    return {"id": sample["id"], "photo": photo, "label": COLOURS.index(sample["json"]["colour"])}


def made_dataset(cache: str) -> StreamingDataset:
    return StreamingDataset("gs://demo/photos/", cache, shuffle=True, seed=1, batch_size=BATCH, transforms=to_model)


class Training:
    """A tiny model with what it has seen."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(torch.nn.AvgPool2d(32), torch.nn.Flatten(), torch.nn.Linear(3, 3))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.5)
        self.seen: Counter[str] = Counter()

    def step(self, batch: dict[str, Any]) -> float:
        self.seen.update(batch["id"])
        loss = torch.nn.functional.cross_entropy(self.model(batch["photo"]), batch["label"])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def main(cache: str) -> None:
    training = Training()
    dataset = made_dataset(cache)
    for number, batch in enumerate(DataLoader(dataset, batch_size=BATCH, num_workers=2)):
        training.step(batch)
        if number == 4:  # noqa: PLR2004 - somewhere
            break
    state = dataset.state_dict()  # of what the loop was given: five batches, though workers have read more
    print(f"stopped after {sum(training.seen.values())} samples: {state}")

    dataset = made_dataset(cache)  # in another process, on another day
    dataset.load_state_dict(state)
    for batch in DataLoader(dataset, batch_size=BATCH, num_workers=1):
        loss = training.step(batch)
    if training.seen != Counter(f"{number:04d}" for number in range(SAMPLES)):
        raise SystemExit("a sample was lost or came twice")
    print(f"each of {SAMPLES} samples came once; the last loss is {loss:.3f}")


if __name__ == "__main__":
    with bucket(photos=photos(SAMPLES)) as gcs, tempfile.TemporaryDirectory() as cache:
        os.environ.update(gcs.environ)
        main(cache)
