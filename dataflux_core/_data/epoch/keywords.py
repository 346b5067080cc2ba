"""Check what the maker of a dataset gave; say it in the terms of its parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from inspect import isgeneratorfunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from dataflux_core._data.cache.node import NodeCache
from dataflux_core._data.cache.options import CacheOptions, Retention
from dataflux_core._data.epoch.options import (
    IterationOptions,
    check_ranks,
    checked_choice,
)
from dataflux_core._data.samples.choice import KindOrAuto
from dataflux_core._data.samples.encoded import Decoder
from dataflux_core._data.samples.policy import MAX_BAD_IN_A_ROW, BadSamplePolicy, OnBadSample
from dataflux_core._plan.order.deal import Tail
from dataflux_core._plan.text import shortened
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    import pyarrow.compute as pc

    from dataflux_core._data.samples.pipeline import Transform
    from dataflux_core._data.samples.recipe import Recipe
    from dataflux_core._plan.strategy import Strategy
    from dataflux_core._run.client_source import ClientSource
    from dataflux_core._run.flare.options import StreamOptions

DataType: TypeAlias = KindOrAuto | Decoder | Mapping[str, KindOrAuto | Decoder] | None
_SHOWN = 100  # characters of what was given
_MOST_DIGITS = 30
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class IterationKeywords(TypedDict, total=False):
    """How samples are dealt and read ahead, explained with StreamingDataset."""

    seed: int
    tail: Tail
    batch_size: int | None
    rank: int | None
    world: int | None
    num_downloading_workers: int | None
    prefetch_samples: int | None
    prefetch_bytes: int | str | None


class StreamingKeywords(IterationKeywords, total=False):
    """Keywords of a StreamingDataset, explained there."""

    shuffle: bool
    block_samples: int
    ranks_per_node: int
    data_type: DataType
    columns_to_load: Sequence[str] | None
    index_col_name: str | None
    columns_to_keep: Sequence[str] | None
    filter: pc.Expression | None
    max_samples: int | None
    root: str | Path
    cache_limit: int | str | None
    retention: Retention
    transforms: Transform | Sequence[Transform] | None
    on_bad_sample: OnBadSample
    max_bad_samples: int | None
    max_bad_in_a_row: int | None
    fill_value: Mapping[str, Any] | None
    strategy: Strategy
    stream_options: StreamOptions | None
    storage_client: ClientSource


def check_known(keywords: Mapping[str, Any], known: type) -> None:
    """Raise TypeError for a keyword that there is not, with all that there are."""
    names = _annotated(known)
    unknown = sorted(set(keywords) - names)
    if unknown:
        raise TypeError(f"there is no keyword {', '.join(unknown)}; there are {', '.join(sorted(names))}")


def iteration_options(keywords: IterationKeywords, recipes: Sequence[Recipe]) -> IterationOptions:
    """Read what datasets and mixes have in common; raises InvalidArgument for what cannot mean anything."""
    rank, world = keywords.get("rank"), keywords.get("world")
    if (rank is None) != (world is None):
        raise InvalidArgument("rank", f"{rank}, world={world}", "both of them, or neither")
    if rank is not None and world is not None:
        check_ranks(rank, world)
    batch_size = keywords.get("batch_size")
    requests = keywords.get("num_downloading_workers")
    samples = keywords.get("prefetch_samples")
    tail = checked_choice("tail", keywords.get("tail", "pad"), Tail)
    several = any(map(has_generators, recipes))
    leaves_out = any(map(may_leave_out, recipes))
    return IterationOptions(
        seed=_whole("seed", keywords.get("seed", 0), None),
        tail=tail,
        chunk=1 if batch_size is None else _whole("batch_size", batch_size, 1),
        rank=rank,
        world=world,
        max_requests=None if requests is None else _whole("num_downloading_workers", requests, 1),
        prefetch_samples=None if samples is None else _whole("prefetch_samples", samples, 1),
        prefetch_bytes=checked_bytes("prefetch_bytes", keywords.get("prefetch_bytes"), least=1),
        evens_out=leaves_out and tail != "uneven" and not several,
        is_one_to_one=not leaves_out and all(recipe.pipeline.gives_one for recipe in recipes),
    )


def shuffled(options: IterationOptions, keywords: StreamingKeywords) -> IterationOptions:
    """Add how one index is ordered, which a mix leaves to its datasets."""
    return replace(
        options,
        shuffle=_flag("shuffle", keywords.get("shuffle", False)),
        block_samples=_whole("block_samples", keywords.get("block_samples", 0)),
        ranks_per_node=_whole("ranks_per_node", keywords.get("ranks_per_node", 0)),
    )


def has_generators(recipe: Recipe) -> bool:
    pipeline = recipe.pipeline
    return pipeline.split is not None or any(isgeneratorfunction(step) for step in pipeline.steps)


def may_leave_out(recipe: Recipe) -> bool:
    policy = recipe.policy.on_bad_sample
    return policy == "skip" or callable(policy)


def cache_of(dst: str | Path | None, limit: int | str | None, retention: Retention) -> NodeCache | None:
    """Return the cache of a directory; None where there is none, or nothing may be kept."""
    limit_bytes = checked_bytes("cache_limit", limit)
    if dst is not None and not (isinstance(dst, str) or hasattr(dst, "__fspath__")):
        raise InvalidArgument("dst", shortened(repr(dst), _SHOWN), "the path of a directory, or None")
    if dst is not None and not str(dst):
        raise InvalidArgument("dst", "''", "the path of a directory, '.' for the one where the program runs, or None")
    if dst is None or limit_bytes == 0:
        return None
    return NodeCache(
        CacheOptions(Path(dst).expanduser().absolute(), limit_bytes, checked_choice("retention", retention, Retention))
    )


def policy_of(keywords: StreamingKeywords) -> BadSamplePolicy:
    return BadSamplePolicy(
        on_bad_sample=keywords.get("on_bad_sample", "raise"),
        max_bad_in_a_row=keywords.get("max_bad_in_a_row", MAX_BAD_IN_A_ROW),
        max_bad_samples=keywords.get("max_bad_samples"),
        fill_value=keywords.get("fill_value"),
    )


def checked_bytes(argument: str, given: int | str | None, *, least: int = 0) -> int | None:
    """Read a number of bytes: 4096, "10GB" of 1000s, "5MiB" of 1024s; None stays None. Raises InvalidArgument."""
    if given is None:
        return None
    if isinstance(given, str):
        found = _SIZE.fullmatch(given.strip())
        if found is None:
            raise InvalidArgument(argument, repr(given), "bytes as a number, or a text such as '10GB' or '5MiB'")
        number, unit, binary = found.groups()
        if len(number) > _MOST_DIGITS:
            raise InvalidArgument(argument, shortened(repr(given), _SHOWN), f"{_MOST_DIGITS} digits at most")
        given = int(float(number) * (1024 if binary else 1000) ** _POWERS[unit.lower()])
    return _whole(argument, given, least)


def names_of(argument: str, given: Sequence[str] | None) -> tuple[str, ...] | None:
    """Take names of columns; one name alone is no list of its letters."""
    if given is None:
        return None
    if isinstance(given, str):
        raise InvalidArgument(argument, repr(given), f"a list of names: [{given!r}]")
    if not isinstance(given, Iterable):
        raise InvalidArgument(argument, shortened(repr(given), _SHOWN), "a list of names")
    return tuple(given)


def _flag(argument: str, given: object) -> bool:
    if not isinstance(given, bool):
        raise InvalidArgument(argument, repr(given), "True or False")
    return given


def _whole(argument: str, given: object, least: int | None = 0) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or (least is not None and given < least):
        expected = "a whole number" if least is None else f"a whole number of at least {least}"
        raise InvalidArgument(argument, repr(given), expected)
    return given


def _annotated(kind: type) -> set[str]:
    return {*kind.__required_keys__, *kind.__optional_keys__}  # type: ignore[attr-defined] # of a TypedDict
