"""Say how objects are read."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict, get_args

from dataflux_core._plan.prices import Prices
from dataflux_core._plan.strategy import ALONE, Optimize, Series, Strategy
from dataflux_core._run.reading.stats import DownloadStats
from dataflux_core._run.retries import RetryRule
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping


OnError = Literal["raise", "return"]

DEFAULT_COMPOSITE_BYTES = 100_000_000
MAX_REQUESTS = 2048
_MIN_MEMORY_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read; the same for every object of a call."""

    max_composite_bytes: int = DEFAULT_COMPOSITE_BYTES  # 0: never compose
    rule: RetryRule = field(default_factory=RetryRule)
    strategy: Strategy = "auto"
    optimize: Optimize = "time"
    max_groups: int = sys.maxsize  # in flight at once
    max_processes: int = 1
    max_requests: int = MAX_REQUESTS  # in flight at once; fewer where other readers of the process leave fewer
    max_held_bytes: int | None = None  # None: a share of the memory available
    order: Literal["completed", "listed"] = "completed"
    on_error: OnError = "raise"
    decompress: bool = False
    prices: Prices | None = None  # None: the list prices of the bucket's class and location
    series: Series = ALONE


class DownloadKeywords(TypedDict, total=False):
    """Keywords of every way to download, explained with `dataflux_download`."""

    strategy: Strategy
    optimize: Optimize
    max_memory: int | None  # bytes
    max_requests: int | None
    decompress: bool
    prices: Prices | None
    stats: DownloadStats | None


def options_of(keywords: Mapping[str, Any], on_error: OnError) -> ReadOptions:
    """Check what a caller gave; raises InvalidArgument, or TypeError for a keyword that there is not."""
    unknown = set(keywords) - set(DownloadKeywords.__annotations__)
    if unknown:
        raise TypeError(f"there is no keyword {', '.join(sorted(unknown))}; there are {', '.join(_known())}")
    options = ReadOptions(
        strategy=_choice("strategy", keywords.get("strategy", "auto"), get_args(Strategy)),
        optimize=_choice("optimize", keywords.get("optimize", "time"), get_args(Optimize)),
        on_error=_choice("on_error", on_error, get_args(OnError)),
        decompress=bool(keywords.get("decompress", False)),
        prices=_of_type("prices", keywords.get("prices"), Prices, "a costs.Prices"),
    )
    _of_type("stats", keywords.get("stats"), DownloadStats, "a DownloadStats")
    if (max_memory := keywords.get("max_memory")) is not None:
        checked = checked_count("max_memory", max_memory, least=_MIN_MEMORY_BYTES)
        options = replace(options, max_held_bytes=checked)
    if (max_requests := keywords.get("max_requests")) is not None:
        options = replace(options, max_requests=checked_count("max_requests", max_requests))
    return options


def checked_count(argument: str, count: Any, *, least: int = 1) -> int:  # noqa: ANN401 - whatever a caller gives
    """Refuse what is no whole number, or too small."""
    if not isinstance(count, int) or isinstance(count, bool) or count < least:
        raise InvalidArgument(argument, repr(count), f"a whole number of at least {least}")
    return count


def _of_type(argument: str, given: Any, kind: type, expected: str) -> Any:  # noqa: ANN401 - whatever a caller gives
    if given is not None and not isinstance(given, kind):
        raise InvalidArgument(argument, repr(given), f"{expected}, or None")
    return given


def _choice(argument: str, given: Any, choices: tuple[str, ...]) -> Any:  # noqa: ANN401 - whatever a caller gives
    if given not in choices:
        raise InvalidArgument(argument, repr(given), f"one of {', '.join(choices)}")
    return given


def _known() -> list[str]:
    return sorted([*DownloadKeywords.__annotations__, "on_error"])
