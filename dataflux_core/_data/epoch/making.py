"""Make the parts of a dataset of what its maker gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dataflux_core._data.epoch.binding import Binding
from dataflux_core._data.epoch.corpus import Corpus, Stream
from dataflux_core._data.epoch.feed import Feed
from dataflux_core._data.epoch.keywords import cache_of, iteration_options, names_of, policy_of
from dataflux_core._data.epoch.options import ranks_of
from dataflux_core._data.epoch.resources import Resources
from dataflux_core._data.index.checks import check_ids
from dataflux_core._data.index.opening import open_index
from dataflux_core._data.index.sample_index import IndexOptions
from dataflux_core._data.samples.choice import chosen_decoders
from dataflux_core._data.samples.pipeline import pipeline_of
from dataflux_core._data.samples.recipe import Recipe
from dataflux_core._plan.order.deal import Deal
from dataflux_core._plan.order.orders import OrderOptions, order_of
from dataflux_core.errors import IndexUnusable

if TYPE_CHECKING:
    from pathlib import Path

    from dataflux_core._data.epoch.keywords import StreamingKeywords
    from dataflux_core._data.epoch.options import IterationOptions
    from dataflux_core._plan.order.orders import Order

_LOOKED_AT = 32  # rows, whose URLs say which decoders will be needed


def stream_of(source: Any, keywords: StreamingKeywords, scratch: str = "") -> Stream:  # noqa: ANN401 - whatever a caller gives
    """Open an index, choose how its samples are made; raises IndexUnusable, InvalidArgument, ExtraMissing."""
    options = IndexOptions(
        filter=keywords.get("filter"),
        max_samples=keywords.get("max_samples"),
        base=keywords.get("root", ""),
        scratch=scratch,
    )
    index = open_index(source, options, keywords.get("storage_client"))
    name = (
        source if isinstance(source, str) else str(source) if hasattr(source, "__fspath__") else type(source).__name__
    )
    if not len(index):
        raise IndexUnusable(name, "it has no samples", "look at the index, the filter and max_samples")
    binding = Binding(
        index,
        name,
        loaded=names_of("columns_to_load", keywords.get("columns_to_load")),
        id_column=keywords.get("index_col_name"),
        kept=names_of("columns_to_keep", keywords.get("columns_to_keep")),
    )
    if keywords.get("index_col_name"):
        check_ids(index, str(binding.id_column), name)
    decoders = chosen_decoders(binding.loaded, keywords.get("data_type"), _some_urls(binding))
    recipe = Recipe(decoders, pipeline_of(keywords.get("transforms")), policy_of(keywords))
    return Stream(binding, recipe)


def feed_of(
    source: Any,  # noqa: ANN401 - as above
    dst: str | Path | None,
    keywords: StreamingKeywords,
) -> Feed:
    """Make the feed of one index."""
    stream = stream_of(source, keywords, "" if dst is None else str(dst))
    options = iteration_options(keywords, [stream.recipe])
    if options.ranks_per_node:
        _, world = ranks_of(options)
        OrderOptions(len(stream), ranks_per_node=options.ranks_per_node, deal=Deal(world))  # or raise at once
    corpus = Corpus([stream], IndexOrdering(len(stream), options))
    return Feed(corpus, options, resources_of(dst, keywords))


def resources_of(dst: str | Path | None, keywords: StreamingKeywords) -> Resources:
    """Make the way to the objects and the cache."""
    cache = cache_of(dst, keywords.get("cache_limit"), keywords.get("retention", "keep"))
    return Resources(keywords.get("storage_client"), cache)


@dataclass(frozen=True, slots=True)
class IndexOrdering:
    """Gives the order of each epoch of one index."""

    count: int
    options: IterationOptions

    def order(self, epoch: int, deal: Deal) -> Order:
        options = self.options
        how = OrderOptions(
            self.count, options.seed, options.shuffle, options.block_samples, options.ranks_per_node, deal
        )
        return order_of(how, epoch)

    def name(self, deal: Deal) -> str:
        options = self.options
        told = f"seed={options.seed} shuffle={options.shuffle} block_samples={options.block_samples}"
        if options.ranks_per_node:
            told += f" ranks_per_node={options.ranks_per_node} of {deal.world} by {deal.chunk} {deal.tail}"
        return told


def _some_urls(binding: Binding) -> dict[str, list[str]]:
    rows = np.arange(min(_LOOKED_AT, len(binding.index)), dtype=np.int64)
    window = binding.window(rows)
    urls: dict[str, list[str]] = {column: [] for column in binding.loaded}
    for place in range(len(window)):
        for at, column in enumerate(window.columns[place], window.starts[place]):
            urls[column].append(window.objects.urls[at])
    return urls
