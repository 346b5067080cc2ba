"""Draw the orders of an epoch, with what each is good for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from benchmarking._picture import COLOURS
from dataflux_core._plan.order.deal import Deal
from dataflux_core._plan.order.orders import OrderOptions, order_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

COUNT = 2000  # samples that are drawn
BLOCK = 100
NODES = 4
SIZE_INCHES = (13, 9)


def draw(path: Path, labels: Mapping[int, float], best: float, hits: Mapping[str, Sequence[float]]) -> None:
    """Write a PNG: above where each position's sample comes from, below what that does to batches and caches."""
    mpl.use("agg")  # no window
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    figure = plt.figure(figsize=SIZE_INCHES, dpi=110, layout="constrained")
    (above,), (below,) = figure.subfigures(2, 1, squeeze=False, height_ratios=(5, 4))
    orders = {
        "shuffle=False": OrderOptions(COUNT, shuffle=False),
        f"block_samples={BLOCK}": OrderOptions(COUNT, block_samples=BLOCK),
        "shuffled": OrderOptions(COUNT),
        f"shuffled, each of {NODES} nodes its share": OrderOptions(COUNT, ranks_per_node=1, deal=Deal(world=NODES)),
    }
    panels = above.subplots(1, len(orders), sharey=True)
    panels[0].set_ylabel("sample id")
    for axes, (title, options) in zip(panels, orders.items(), strict=True):
        _scatter(axes, title, options)
    batches, caches = below.subplots(1, 2)
    _labels(batches, labels, best)
    _hits(caches, hits)
    figure.savefig(path)
    plt.close(figure)


def _scatter(axes: Axes, title: str, options: OrderOptions) -> None:
    positions = np.arange(COUNT)
    ids = order_of(options, 0).sample_ids(positions)
    colours = np.array(COLOURS)[positions % options.deal.world]
    axes.scatter(positions, ids, s=3, c=colours, linewidths=0)
    axes.set_title(title)
    axes.set_xlabel("position in the epoch")
    axes.set_xlim(0, COUNT)
    axes.set_ylim(0, COUNT)


def _labels(axes: Axes, labels: Mapping[int, float], best: float) -> None:
    axes.axhline(best, color="#999999", linestyle="--")
    axes.annotate("shuffled", (1, best), xytext=(0, 4), textcoords="offset points", color="#666666")
    axes.plot(list(labels), list(labels.values()), marker="o", color=COLOURS[0])
    axes.set_xscale("log")
    axes.set_xticks(list(labels), [str(block) for block in labels])
    axes.minorticks_off()
    axes.set_ylim(0, 105)
    axes.set_xlabel("block_samples (1: every sample on its own)")
    axes.set_ylabel("labels in a batch of 256")
    axes.set_title("Blocks: locality costs variety\n(100 labels, samples sorted by label)")


def _hits(axes: Axes, hits: Mapping[str, Sequence[float]]) -> None:
    from benchmarking.order_quality import CACHED  # noqa: PLC0415 - which calls this module

    for (label, found), colour, marker in zip(hits.items(), (COLOURS[1], COLOURS[0], COLOURS[3]), "v^o", strict=True):
        axes.plot(CACHED, found, marker=marker, color=colour, label=label)
    axes.set_ylim(0, 1.05)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("samples that fit into a node's cache, as a share of all")
    axes.set_ylabel("found there in the second epoch")
    axes.set_title(f"What one of {NODES} nodes finds in its cache")
    axes.legend(loc="center right")
