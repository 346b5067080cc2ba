"""Draw who listed which part of a namespace when."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.collections import PatchCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from dataflux_core.fast_list import PageEvent

COLOURS = ("#4477aa", "#ee6677", "#ccbb44", "#228833", "#66ccee", "#aa3377")  # told apart by every eye
SIZE_INCHES = (13, 8)


def draw(events: Sequence[PageEvent], rank: Callable[[str], int], path: Path) -> None:
    """Write a PNG: time to the right, names upwards, a block for each page from its question to its answer."""
    mpl.use("agg")  # no window
    from matplotlib import pyplot as plt  # noqa: PLC0415 - it takes a second, so after the listing was timed

    began_s = min(event.asked_s for event in events)
    pages = sorted((event for event in events if event.count), key=lambda event: event.asked_s)
    ended_s = max(event.received_s for event in events) - began_s
    count = max(rank(event.last) for event in pages) + 1
    figure, (axes, below) = plt.subplots(
        2, figsize=SIZE_INCHES, dpi=120, layout="constrained", sharex=True, height_ratios=(6, 1)
    )
    _blocks(axes, pages, rank, began_s)
    _in_flight(below, events, began_s)
    steals = _steals(axes, pages, rank, began_s)
    axes.set_xlim(0, ended_s)
    axes.set_ylim(0, count)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda place, _: f"{place:,.0f}"))
    below.set_xlabel("seconds since the listing began")
    axes.set_ylabel("position of a name in the namespace")
    figure.suptitle("Who listed which part of the namespace when", fontsize=16)
    axes.set_title(
        f"{count:,} names in {ended_s:.1f} s: {len(pages)} pages; idle listers took over {steals} ranges, "
        f"and asked {len(events) - len(pages)} times where nothing is (not drawn)"
    )
    _legend(axes, sorted({event.lister for event in pages}))
    figure.savefig(path)
    plt.close(figure)


def _blocks(axes: Axes, pages: Sequence[PageEvent], rank: Callable[[str], int], began_s: float) -> None:
    """Draw the pages in the colour of the process that fetched them."""
    for lister in sorted({event.lister for event in pages}):
        blocks = []
        for event in pages:
            if event.lister == lister:
                low, high = rank(event.first), rank(event.last) + 1
                corner = (event.asked_s - began_s, low)
                blocks.append(Rectangle(corner, event.received_s - event.asked_s, high - low))
        colour = COLOURS[lister % len(COLOURS)]
        axes.add_collection(PatchCollection(blocks, facecolor=colour, edgecolor="white", linewidth=0.4))


def _steals(axes: Axes, pages: Sequence[PageEvent], rank: Callable[[str], int], began_s: float) -> int:
    """Mark where ranges other than the first begin; return how many do."""
    first_of_range: dict[int, PageEvent] = {}
    for event in pages:
        first_of_range.setdefault(event.range_id, event)
    stolen = [event for range_id, event in first_of_range.items() if range_id]
    for event in stolen:
        axes.plot(event.asked_s - began_s, rank(event.first), ">", color="black", markersize=4, clip_on=False)
    return len(stolen)


def _in_flight(axes: Axes, events: Sequence[PageEvent], began_s: float) -> None:
    """Draw how many questions await their answers."""
    changes = sorted([(event.asked_s, 1) for event in events] + [(event.received_s, -1) for event in events])
    levels = list(accumulate(change for _, change in changes))
    axes.fill_between([time_s - began_s for time_s, _ in changes], levels, step="post", color="#999999")
    axes.set_ylim(0, None)
    axes.set_ylabel("pages\nin flight")


def _legend(axes: Axes, listers: Sequence[int]) -> None:
    names = {0: "page fetched by the calling process"}
    handles: list[Patch | Line2D] = [
        Patch(color=COLOURS[lister % len(COLOURS)], label=names.get(lister, f"page fetched by lister process {lister}"))
        for lister in listers
    ]
    handles.append(Line2D([], [], color="black", marker=">", linestyle="none", label="an idle lister takes a range"))
    axes.legend(handles=handles, loc="lower right", framealpha=1)
