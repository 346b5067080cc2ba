"""Draw a listing as a picture: who asked for which page when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataflux_core._data.trace_record import asks_of, in_flight_at, lanes_in_use, objects_by, steals_of
from dataflux_core._plan.text import counted, shortened, shown
from dataflux_core.errors import ExtraMissing

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.colors import to_rgba
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.ticker import MaxNLocator
except ImportError as error:
    raise ExtraMissing("the picture of a trace", "trace") from error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from dataflux_core._data.trace_record import Ask, Steal, TraceRecord

_COLOURS = ("#4477aa", "#228833", "#aa3377", "#66ccee", "#997700", "#222255")  # told apart by every eye
_EMPTY, _FAILED, _STEAL, _GREY = "#ee9944", "#cc2233", "#222222", "#888888"
_DPI = 120
_WIDTH_INCHES = 13.0
_LANE_INCHES = 0.13
_MIN_INCHES, _MAX_INCHES = 2.4, 9.0  # of all lanes together
_BELOW_INCHES = 1.9
_LANE_HEIGHT = 0.84
_MIN_ROWS = 6  # fewer would be as tall as houses
_PALEST = 0.3  # a page that brought hardly anything, beside a full one
_FEW_STEALS = 60  # each with an arrow head; beyond, thin lines
_SAMPLES = 400
_LEAST_S = 1e-3  # of an axis: a listing may fail before its first request
_LAST_LATIN = 0x250  # the font has pictures of what is below
_FULL_LABELS = 24  # lanes that can be numbered one by one


@dataclass(frozen=True, slots=True)
class _Scene:
    """What is drawn, where."""

    record: TraceRecord
    asks: Sequence[Ask]
    rows: dict[tuple[int, int], int]
    steals: Sequence[Steal]
    ends_s: float
    fullest: int

    def row(self, ask: Ask) -> int:
        return self.rows[ask.event.lister, ask.lane]


def write_picture(record: TraceRecord, path: Path) -> None:
    """Write a PNG: time to the right, a row for each lister, a block for each page, an arrow for each steal."""
    asks = asks_of(record)
    ends_s = max([_LEAST_S, *(ask.ended_ns / 1e9 for ask in asks)])
    fullest = max((ask.page.count for ask in asks if ask.page is not None), default=0)
    scene = _Scene(record, asks, lanes_in_use(asks), list(steals_of(asks)), ends_s, fullest)
    lanes_inches = min(_MAX_INCHES, max(_MIN_INCHES, _LANE_INCHES * len(scene.rows)))
    figure = Figure((_WIDTH_INCHES, lanes_inches + _BELOW_INCHES + 1.2), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes, below = figure.subplots(2, sharex=True, height_ratios=(lanes_inches, _BELOW_INCHES))
    _title(figure, scene)
    _draw_blocks(axes, scene)
    _draw_steals(axes, scene)
    _label_lanes(axes, scene)
    _draw_rates(below, scene)
    _draw_legend(figure, scene)
    figure.savefig(path, format="png")


def _title(figure: Figure, scene: _Scene) -> None:
    record = scene.record
    pages = [ask.page for ask in scene.asks if ask.page is not None]
    brought = sum(page.count for page in pages)
    empty, failed = sum(1 for page in pages if page.is_empty), len(scene.asks) - len(pages)
    what = f"{counted(brought, 'name')} received in {scene.ends_s:.2f} s: {counted(len(pages) - empty, 'page')}"
    what += f", {empty:,} empty" if empty else ""
    what += f", {failed:,} failed" if failed else ""
    what += f"; {counted(len(scene.steals), 'steal')}" if scene.steals else ""
    what += "" if record.outcome == "whole" else f"; ended early by {record.outcome}"
    figure.suptitle(
        f"{_drawable(shortened(shown(record.url), 80))}\n{what}", x=0.01, ha="left", fontsize=12, parse_math=False
    )


def _draw_blocks(axes: Axes, scene: _Scene) -> None:
    """Draw each request as a block, the paler the fewer objects it brought."""
    corners, colours = [], []
    for ask in scene.asks:
        left, right, low = ask.began_ns / 1e9, ask.ended_ns / 1e9, scene.row(ask) - _LANE_HEIGHT / 2
        corners.append([(left, low), (right, low), (right, low + _LANE_HEIGHT), (left, low + _LANE_HEIGHT)])
        colours.append(_colour(ask, scene.fullest))
    pixels_per_s = _DPI * _WIDTH_INCHES / scene.ends_s
    widths = sorted((ask.ended_ns - ask.began_ns) / 1e9 * pixels_per_s for ask in scene.asks)
    line = min(0.6, widths[len(widths) // 2] / 20) if widths else 0.0  # a border wider than its block hides it
    axes.add_collection(PolyCollection(corners, facecolors=colours, edgecolors="white", linewidths=line))
    failed = [ask for ask in scene.asks if ask.page is None]
    places = [ask.ended_ns / 1e9 for ask in failed], [scene.row(ask) for ask in failed]
    (crosses,) = axes.plot(*places, "x", color=_FAILED, ms=4, mew=1.2, zorder=4, clip_on=False)
    crosses.set_in_layout(False)  # the layout would make room for them, though there are none
    for death in scene.record.deaths:
        axes.axvline(death.died_s - scene.record.began_s, color=_FAILED, linewidth=1.2)


def _colour(ask: Ask, fullest: int) -> tuple[float, float, float, float]:
    if ask.page is None:
        return to_rgba(_FAILED)
    if ask.page.is_empty:
        return to_rgba(_EMPTY)
    share = _PALEST + (1 - _PALEST) * ask.page.count / max(1, fullest)
    red, green, blue, _ = to_rgba(_COLOURS[ask.page.lister % len(_COLOURS)])
    return 1 - share * (1 - red), 1 - share * (1 - green), 1 - share * (1 - blue), 1.0


def _draw_steals(axes: Axes, scene: _Scene) -> None:
    """Lead from the page that told where to cut to the thief's first one."""
    ends = [
        ((steal.victim.ended_ns / 1e9, scene.row(steal.victim)), (steal.thief.began_ns / 1e9, scene.row(steal.thief)))
        for steal in scene.steals
    ]
    if len(ends) <= _FEW_STEALS:
        for begin, end in ends:
            arrow = {"arrowstyle": "-|>", "color": _STEAL, "lw": 0.8, "alpha": 0.8, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", end, begin, arrowprops={**arrow, "connectionstyle": "arc3,rad=0.08"})
        return
    alpha = max(0.12, min(0.5, 60 / len(ends)))
    axes.add_collection(LineCollection(ends, colors=_STEAL, linewidths=0.5, alpha=alpha, zorder=2))
    axes.plot([end[0] for _, end in ends], [end[1] for _, end in ends], ">", color=_STEAL, ms=2.2, mew=0, alpha=0.7)


def _label_lanes(axes: Axes, scene: _Scene) -> None:
    """Number the lanes of each lister process; a line parts them."""
    axes.set_xlim(0, scene.ends_s)
    axes.set_ylim(max(_MIN_ROWS, len(scene.rows)) - 0.5, -0.5)
    listers = [lister for lister, _ in scene.rows]
    firsts = [row for row, lister in enumerate(listers) if row == 0 or listers[row - 1] != lister]
    for first in firsts[1:]:
        axes.axhline(first - 0.5, color=_GREY, linewidth=0.8)
    step = 1 if len(listers) <= _FULL_LABELS else 8
    ticks = [row for row, (_, lane) in enumerate(scene.rows) if lane % step == 0]
    axes.set_yticks(ticks, [str(list(scene.rows)[row][1] + 1) for row in ticks], fontsize=8)
    axes.set_ylabel("listers")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_rates(axes: Axes, scene: _Scene) -> None:
    """Draw how many requests were in flight, how many objects had come."""
    step_ns = max(1, round(scene.ends_s * 1e9 / _SAMPLES))
    times_ns = [place * step_ns for place in range(_SAMPLES + 1)]
    times_s = [time_ns / 1e9 for time_ns in times_ns]
    axes.fill_between(times_s, in_flight_at(scene.asks, times_ns), step="post", color="#cccccc")
    axes.axhline(scene.record.ceiling, color=_GREY, linewidth=0.8, linestyle="--")
    axes.set_ylim(0, scene.record.ceiling * 1.12)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("requests in flight", color="#666666")
    axes.set_xlabel("seconds since the listing began")
    objects = axes.twinx()
    objects.step(times_s, objects_by(scene.asks, times_ns), where="post", color=_COLOURS[0], linewidth=1.6)
    objects.set_ylim(0, 1.05 * max(100, sum(ask.page.count for ask in scene.asks if ask.page is not None)))
    objects.yaxis.set_major_formatter("{x:,.0f}")
    objects.set_ylabel("names so far", color=_COLOURS[0])
    for both in (axes, objects):
        both.spines[["top"]].set_visible(False)


def _draw_legend(figure: Figure, scene: _Scene) -> None:
    """Explain what is there to see, nothing else."""
    handles: list[Patch | Line2D] = [
        Patch(
            color=_COLOURS[lister % len(_COLOURS)],
            label=f"page, by lister process {lister}"
            if lister
            else "page, by the calling process (paler: fewer names)",
        )
        for lister in sorted({ask.page.lister for ask in scene.asks if ask.page is not None})
    ]
    if any(ask.page is not None and ask.page.is_empty for ask in scene.asks):
        handles.append(Patch(color=_EMPTY, label="empty page"))
    if any(ask.page is None for ask in scene.asks):
        handles.append(Line2D([], [], color=_FAILED, marker="x", ms=5, mew=1.5, lw=0, label="request that failed"))
    if scene.record.deaths:
        handles.append(Line2D([], [], color=_FAILED, lw=1.2, label="a process died"))
    if scene.steals:
        handles.append(Line2D([], [], color=_STEAL, marker=">", ms=4, lw=0.8, label="steal"))
    handles.append(Line2D([], [], color=_GREY, linestyle="--", lw=0.8, label="most requests allowed"))
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), frameon=False, fontsize=9)


def _drawable(text: str) -> str:
    """Escape what the font has no picture of."""
    return "".join(character if ord(character) < _LAST_LATIN else ascii(character)[1:-1] for character in text)
