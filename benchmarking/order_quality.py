"""What does an id of an epoch's order cost, how well does each order mix, how much does it leave to find in a cache?"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np

from benchmarking._report import host
from dataflux_core._plan.order.deal import Deal
from dataflux_core._plan.order.mix import MixOptions, MixOrder
from dataflux_core._plan.order.orders import Order, OrderOptions, order_of
from dataflux_core._plan.order.passes import Stream

NODES = 4
BATCH = 256
LABELS = 100  # of samples that lie sorted by them, as files of a folder for each label do
BLOCKS = (1, 10, 30, 100, 300, 1000, 3000)
CACHED = (0.05, 0.1, 0.2, 0.25, 0.4, 0.5, 0.6, 0.8, 1.0)


def main() -> int:
    """Measure, then print one line."""
    options = read_options()
    line = {
        "question": "microseconds an id, labels in a batch, hits of a cache",
        "command": " ".join(["python -m", "benchmarking.order_quality", *sys.argv[1:]]),
        "count": options.count,
        "us_per_id": costs_us(options.count, options.repetitions),
        "samples": options.samples,
        "labels_in_a_batch": dict(zip(BLOCKS, labels_by_block(options.samples), strict=True)),
        "labels_at_best": round(labels_at_best(), 1),
        "cached": CACHED,
        "hits_of_second_epoch": hits(options.samples),
        "host": host(),
    }
    if options.picture:
        # It takes matplotlib, which a benchmark does not need.
        from benchmarking._order_picture import draw  # noqa: PLC0415

        draw(options.picture, line["labels_in_a_batch"], line["labels_at_best"], line["hits_of_second_epoch"])
    print(json.dumps(line))
    return 0


def costs_us(count: int, repetitions: int) -> dict[str, float]:
    """Time 4096 positions at once, then one; the median of the repetitions."""
    nodes = OrderOptions(count, ranks_per_node=2, deal=Deal(world=2 * NODES))
    streams = tuple(Stream(count // 4) for _ in range(4))
    orders: dict[str, Order] = {
        "shuffled": order_of(OrderOptions(count), 0),
        "in blocks of 1000": order_of(OrderOptions(count, block_samples=1000), 0),
        "by nodes": order_of(nodes, 0),
        "mix of four, interleaved": MixOrder(MixOptions(streams, (4, 3, 2, 1), schedule="interleaved"), 0),
        "mix of four, random": MixOrder(MixOptions(streams, (4, 3, 2, 1)), 0),
    }
    took = {label: cost_us(order, 4096, repetitions) for label, order in orders.items()}
    took["shuffled, one alone"] = cost_us(orders["shuffled"], 1, repetitions)
    return took


def cost_us(order: Order, positions: int, repetitions: int) -> float:
    """Time neighbouring positions in the middle of the epoch."""
    asked = order.count // 2 + np.arange(positions)
    times_s = []
    for _ in range(repetitions):
        began_s = time.perf_counter()
        order.sample_ids(asked)
        times_s.append(time.perf_counter() - began_s)
    return round(statistics.median(times_s) / positions * 1e6, 4)


def labels_by_block(samples: int) -> list[float]:
    """Count the labels in a batch, on average, by how many neighbours stay together."""
    batches = samples // BATCH
    found = []
    for block in BLOCKS:
        order = order_of(OrderOptions(samples, block_samples=block if block > 1 else 0), 0)
        labels = order.sample_ids(np.arange(batches * BATCH)) * LABELS // samples
        found.append(round(statistics.mean(len(np.unique(batch)) for batch in labels.reshape(batches, BATCH)), 1))
    return found


def labels_at_best() -> float:
    """Say how many labels a batch drawn by luck has."""
    return LABELS * (1 - math.pow(1 - 1 / LABELS, BATCH))


def hits(samples: int) -> dict[str, list[float]]:
    """Tell which share of its second epoch's reads a node finds in its cache, by the share of all samples it holds."""
    affine = OrderOptions(samples, ranks_per_node=1, deal=Deal(world=NODES))
    anywhere = OrderOptions(samples, deal=Deal(world=NODES))
    epochs = {
        name: [_read_by_node(options, epoch) for epoch in (0, 1)]
        for name, options in (("any share", anywhere), ("the same share", affine))
    }
    sizes = [int(samples * share) for share in CACHED]
    return {
        "any share, least recently used goes": [_lru(epochs["any share"], size) for size in sizes],
        "any share, what came first stays": [_kept(epochs["any share"], size) for size in sizes],
        "the same share, what came first stays": [_kept(epochs["the same share"], size) for size in sizes],
    }


def _read_by_node(options: OrderOptions, epoch: int) -> list[int]:
    ids = order_of(options, epoch).sample_ids(np.arange(0, options.count, NODES))
    read: list[int] = ids.tolist()
    return read


def _lru(epochs: list[list[int]], size: int) -> float:
    cache: OrderedDict[int, None] = OrderedDict()
    found = 0
    for epoch in epochs:
        found = 0
        for sample in epoch:
            found += sample in cache
            cache[sample] = None
            cache.move_to_end(sample)
            if len(cache) > size:
                cache.popitem(last=False)
    return round(found / len(epochs[-1]), 3)


def _kept(epochs: list[list[int]], size: int) -> float:
    kept = set(epochs[0][:size])
    return round(sum(sample in kept for sample in epochs[1]) / len(epochs[1]), 3)


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10**9, help="samples of which ids are timed")
    parser.add_argument("--samples", type=int, default=100_000, help="samples that are counted")
    parser.add_argument("--repetitions", type=int, default=51)
    parser.add_argument("--picture", type=Path, help="also draw what was found, as a PNG")
    parser.add_argument("--smoke", action="store_true", help="shows that it works, measures nothing")
    options = parser.parse_args()
    if options.smoke:
        options.samples, options.repetitions = 3000, 1
    return options


if __name__ == "__main__":
    sys.exit(main())
