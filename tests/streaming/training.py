"""Train a tiny model as a program of its own, which writes a checkpoint after each step."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from dataflux_core.streaming import StreamingDataset

EPOCHS = 2
multiprocessing.set_forkserver_preload(["torch", "dataflux_core.streaming", "google.cloud.storage"])  # once for all


def written(path: Path, value: Any) -> None:
    """Replace a file, so that it is whole whenever this process is killed."""
    aside = path.with_suffix(".aside")
    torch.save(value, aside)
    aside.replace(path)


def pixels(sample: dict[str, Any]) -> dict[str, Any]:
    return {"n": sample["n"], "x": sample["url"].astype("float32").reshape(-1) / 255}


def train(folder: Path, source: str, workers: int, method: str, *, steps: int | None = None) -> dict[str, Any]:
    """Go on from the last checkpoint, if there is one; return the last one."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Linear(48, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    dataset = StreamingDataset(source, shuffle=True, data_type="npy", columns_to_load=["url"], transforms=pixels)
    path = folder / "checkpoint.pt"
    done: dict[str, Any] = {"losses": [], "seen": []}
    if path.exists():
        done = torch.load(path, weights_only=False)
        model.load_state_dict(done["model"])
        optimizer.load_state_dict(done["optimizer"])
        dataset.load_state_dict(json.loads(done["data"]))
    untyped: Any = dataset
    loader: DataLoader[Any] = DataLoader(
        untyped, 4, num_workers=workers, multiprocessing_context=method if workers else None
    )
    while (epoch := dataset.state_dict()["epoch"]) < EPOCHS:
        for batch in loader:
            target = batch["n"].float()[:, None] / 10
            loss = torch.nn.functional.mse_loss(model(batch["x"]), target)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # torch's
            optimizer.step()
            done["losses"].append(loss.item())
            done["seen"] += [(epoch, number) for number in batch["n"].tolist()]
            done |= {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            done["data"] = json.dumps(dataset.state_dict())
            written(path, done)
            if len(done["losses"]) == steps:
                os.kill(os.getpid(), 9)
    return done


if __name__ == "__main__":
    told = sys.argv[1:]
    train(Path(told[0]), told[1], int(told[2]), told[3], steps=int(told[4]) or None)
