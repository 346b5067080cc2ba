"""Make the parts of a dataset of what its maker gave."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import fsdecode
from typing import TYPE_CHECKING, Any

import numpy as np

from dataflux_core._data.epoch.binding import Binding
from dataflux_core._data.epoch.corpus import Corpus, Stream
from dataflux_core._data.epoch.feed import Feed
from dataflux_core._data.epoch.keywords import cache_of, iteration_options, names_of, policy_of, shuffled
from dataflux_core._data.epoch.options import checked_choice, known_ranks, ranks_of
from dataflux_core._data.epoch.playlists import check_no_playlist, is_playlist, playlist_rows
from dataflux_core._data.epoch.resources import Resources
from dataflux_core._data.index.checks import check_ids
from dataflux_core._data.index.opening import open_index
from dataflux_core._data.index.sample_index import IndexOptions
from dataflux_core._data.samples.choice import chosen_decoders
from dataflux_core._data.samples.pipeline import pipeline_of
from dataflux_core._data.samples.recipe import Recipe
from dataflux_core._plan.order.orders import OrderOptions, order_of
from dataflux_core._plan.order.permutation import key_of
from dataflux_core._plan.order.ragged import RaggedBlocks
from dataflux_core._plan.strategy import Strategy
from dataflux_core._wire.urls import shown_url
from dataflux_core.errors import IndexUnusable, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dataflux_core._data.epoch.keywords import StreamingKeywords
    from dataflux_core._data.epoch.options import IterationOptions
    from dataflux_core._plan.order.deal import Deal
    from dataflux_core._plan.order.orders import Order

_MOST_UNASKED = 1_000_000  # ids that are compared though nobody named their column: half a second
_LOOKED_AT = 32  # rows, whose URLs say which decoders will be needed


def stream_of(source: Any, keywords: StreamingKeywords, scratch: str = "") -> Stream:  # noqa: ANN401 - whatever a caller gives
    """Open an index, choose how its samples are made; raises IndexUnusable, InvalidArgument, ExtraMissing."""
    if is_playlist(source):
        rows, recipe = playlist_rows(source, keywords, has_cache=bool(scratch))
        if not len(rows.index):
            raise IndexUnusable(rows.source, "it has no samples", "look at its streams and their header records")
        return Stream(rows, recipe)
    check_no_playlist(keywords)
    options = IndexOptions(
        filter=keywords.get("filter"),
        max_samples=keywords.get("max_samples"),
        root=keywords.get("root", ""),
        scratch=scratch,
    )
    index = open_index(source, options, keywords.get("storage_client"))
    name = _name_of(source)
    if not len(index):
        raise IndexUnusable(name, "it has no samples", "look at the index, the filter and max_samples")
    binding = Binding(
        index,
        name,
        loaded=names_of("columns_to_load", keywords.get("columns_to_load")),
        id_column=keywords.get("index_col_name"),
        kept=names_of("columns_to_keep", keywords.get("columns_to_keep")),
    )
    if binding.id_column and (keywords.get("index_col_name") or len(index) <= _MOST_UNASKED):
        check_ids(index, binding.id_column, name)
    decoders = chosen_decoders(binding.loaded, keywords.get("data_type"), _some_urls(binding))
    recipe = Recipe(decoders, pipeline_of(keywords.get("transforms")), policy_of(keywords))
    return Stream(binding, recipe)


def _name_of(source: Any) -> str:  # noqa: ANN401 - as above
    """Name a source in errors, logs, reprs: a URL without what it may keep secret, a table by its type."""
    if not isinstance(source, str) and not hasattr(source, "__fspath__"):
        return type(source).__name__
    name = fsdecode(source)
    return shown_url(name) if "://" in name else name


def feed_of(
    source: Any,  # noqa: ANN401 - as above
    dst: str | Path | None,
    keywords: StreamingKeywords,
) -> Feed:
    """Make the feed of one index."""
    stream = stream_of(source, keywords, "" if dst is None else str(dst))
    options = _ordered(stream, keywords)
    _check_nodes(options)
    corpus = Corpus([stream], IndexOrdering(len(stream), options))
    return Feed(corpus, options, resources_of(dst, keywords))


def _ordered(stream: Stream, keywords: StreamingKeywords) -> IterationOptions:
    """Say how samples are ordered and dealt; records of large chunks so that few are read at a time, each once."""
    options = shuffled(iteration_options(keywords, [stream.recipe]), keywords)
    ends: Sequence[int] = getattr(stream.binding, "block_ends", ())
    if not ends:
        return options
    together = -(-ends[-1] // len(ends))
    if options.shuffle and "block_samples" in keywords:
        together = max(1, options.block_samples)
    elif options.shuffle:
        # Shares of nodes, and mixes, are made of blocks of one length.
        options = replace(options, block_samples=together, block_ends=() if options.ranks_per_node else ends)
    return options if keywords.get("batch_size") is not None else replace(options, together=together)


def _check_nodes(options: IterationOptions) -> None:
    """Raise InvalidArgument where the ranks that are known now make up no nodes of so many."""
    _, world = ranks_of(options)
    if options.ranks_per_node and world % options.ranks_per_node:
        whose = (
            "given or told by torch.distributed or the environment" if known_ranks(options) else "since none is told"
        )
        raise InvalidArgument(
            "ranks_per_node",
            str(options.ranks_per_node),
            f"a divisor of the world, which is {world}, {whose}: make the dataset once torch.distributed is "
            "initialised, or give rank= and world=",
        )


def resources_of(dst: str | Path | None, keywords: StreamingKeywords) -> Resources:
    """Make the way to the objects and the cache."""
    cache = cache_of(dst, keywords.get("cache_limit"), keywords.get("retention", "keep"))
    strategy = checked_choice("strategy", keywords.get("strategy", "auto"), Strategy)
    return Resources(keywords.get("storage_client"), cache, strategy)


@dataclass(frozen=True, slots=True)
class IndexOrdering:
    """Gives the order of each epoch of one index."""

    count: int
    options: IterationOptions

    def order(self, epoch: int, deal: Deal) -> Order:
        options = self.options
        if options.block_ends:
            return RaggedBlocks(options.block_ends, int(key_of(options.seed, epoch, "samples")))
        how = OrderOptions(
            self.count, options.seed, options.shuffle, options.block_samples, options.ranks_per_node, deal
        )
        return order_of(how, epoch)

    def name(self, deal: Deal) -> str:
        options = self.options
        block_samples, ranks_per_node = options.block_samples, options.ranks_per_node
        if not options.shuffle:  # where they change nothing
            block_samples = ranks_per_node = 0
        blocks = f"blocks={len(options.block_ends)}" if options.block_ends else f"block_samples={block_samples}"
        told = f"seed={options.seed} shuffle={options.shuffle} {blocks}"
        if ranks_per_node:
            told += f" ranks_per_node={ranks_per_node} of {deal.world} by {deal.chunk} {deal.tail}"
        return told


def _some_urls(binding: Binding) -> dict[str, list[str]]:
    rows = np.arange(min(_LOOKED_AT, len(binding.index)), dtype=np.int64)
    window = binding.window(rows)
    urls: dict[str, list[str]] = {column: [] for column in binding.loaded}
    for place in range(len(window)):
        for at, column in enumerate(window.columns[place], window.starts[place]):
            urls[column].append(window.objects.urls[at])
    return urls
