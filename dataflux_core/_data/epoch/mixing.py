"""Make one dataset of several."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import md5
from typing import TYPE_CHECKING

from dataflux_core._data.epoch.corpus import Corpus
from dataflux_core._data.epoch.feed import Feed
from dataflux_core._data.epoch.keywords import IterationKeywords, iteration_options
from dataflux_core._plan.order.mix import Batches, MixOptions, MixOrder, Mode, Schedule
from dataflux_core._plan.order.passes import Stream as Amount
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflux_core._plan.order.deal import Deal
    from dataflux_core._plan.order.orders import Order

_MOST_TOLD = 300  # characters of the order's name: it stands in each state


class MixKeywords(IterationKeywords, total=False):
    """Keywords of a MixedDataset, explained there."""

    proportion: Sequence[float] | None
    repeat: Sequence[float] | None
    choose: Sequence[int] | None
    epoch_samples: int
    schedule: Schedule
    batches: Batches


@dataclass(frozen=True, slots=True)
class MixOrdering:
    """Gives the order of each epoch of a mix."""

    options: MixOptions

    @property
    def count(self) -> int:
        return MixOrder(self.options, 0).count

    def order(self, epoch: int, deal: Deal) -> Order:
        del deal
        return MixOrder(self.options, epoch)

    def name(self, deal: Deal) -> str:
        del deal
        mix = self.options
        amounts = ",".join(map(str, mix.amounts))
        streams = ",".join(
            f"{stream.count}{'s' * stream.shuffle}{stream.block_samples or ''}" for stream in mix.streams
        )
        told = (
            f"mix of {streams} {mix.mode}={amounts} epoch_samples={mix.epoch_samples} schedule={mix.schedule} "
            f"batches={mix.batches}{mix.batch_samples or ''} seed={mix.seed}"
        )
        if len(told) <= _MOST_TOLD:
            return told
        return f"{told[:_MOST_TOLD]}… {md5(told.encode(), usedforsecurity=False).hexdigest()}"


def mixed_feed(feeds: Sequence[Feed], keywords: MixKeywords) -> Feed:
    """Make the feed of several; raises InvalidArgument for what cannot be mixed."""
    if not feeds:
        raise InvalidArgument("datasets", "none", "at least one StreamingDataset")
    streams = [stream for feed in feeds for stream in feed.corpus.streams]
    if len(streams) != len(feeds):
        raise InvalidArgument("datasets", "a mix within a mix", "the datasets themselves, each with its amount")
    resources = feeds[0].resources
    if any(not resources.is_like(feed.resources) for feed in feeds):
        raise InvalidArgument(
            "datasets", "different caches or clients", "the same dst, cache_limit, retention, storage_client for all"
        )
    options = iteration_options(keywords, [stream.recipe for stream in streams])
    for argument in ("shuffle", "block_samples", "ranks_per_node"):
        if argument in keywords:
            raise InvalidArgument(argument, repr(keywords[argument]), "it with each dataset of the mix, not here")
    mode, amounts = _amounts(keywords, len(feeds))
    batches = keywords.get("batches", "mixed")
    mix = MixOptions(
        tuple(
            Amount(len(stream), feed.options.shuffle, feed.options.block_samples)
            for stream, feed in zip(streams, feeds, strict=True)
        ),
        amounts,
        mode,
        keywords.get("epoch_samples", 0),
        keywords.get("schedule", "random"),
        batches,
        _batch_samples(keywords) if batches == "one" else 0,
        options.seed,
    )
    return Feed(Corpus(streams, MixOrdering(mix)), options, resources)


def _amounts(keywords: MixKeywords, count: int) -> tuple[Mode, tuple[float, ...]]:
    given: list[tuple[Mode, Sequence[float] | None]] = [
        ("proportion", keywords.get("proportion")),
        ("repeat", keywords.get("repeat")),
        ("choose", keywords.get("choose")),
    ]
    told = [(mode, tuple(amounts)) for mode, amounts in given if amounts is not None]
    if len(told) > 1:
        raise InvalidArgument("proportion", "given beside repeat or choose", "one of the three")
    return told[0] if told else ("repeat", (1.0,) * count)


def _batch_samples(keywords: MixKeywords) -> int:
    batch_size = keywords.get("batch_size")
    if batch_size is None:
        raise InvalidArgument("batches", "'one'", "batch_size= beside it: as many samples in a row are of one stream")
    return batch_size
