"""Make one dataset of several."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import md5
from numbers import Rational, Real
from typing import TYPE_CHECKING, Any

from dataflux_core._data.epoch.corpus import Corpus, Stream
from dataflux_core._data.epoch.feed import Feed
from dataflux_core._data.epoch.keywords import IterationKeywords, has_generators, iteration_options, may_leave_out
from dataflux_core._plan.order.mix import Batches, MixOptions, MixOrder, Mode, Schedule
from dataflux_core._plan.order.passes import Stream as Amount
from dataflux_core._plan.order.permutation import MAX_COUNT
from dataflux_core._plan.text import shortened
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction

    from dataflux_core._plan.order.deal import Deal
    from dataflux_core._plan.order.orders import Order

_MOST_TOLD = 300  # characters of the order's name: it stands in each state
_OF_DATASETS = "shuffle", "block_samples", "ranks_per_node"
_SHOWN = 100  # characters of what was given


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
            f"{stream.count}{'s' * stream.shuffle}{(stream.shuffle and stream.block_samples) or ''}"
            for stream in mix.streams
        )
        told = (
            f"mix of {streams} {mix.mode}={amounts} epoch_samples={mix.epoch_samples} schedule={mix.schedule} "
            f"batches={mix.batches}{mix.batch_samples or ''} seed={mix.seed}"
        )
        if len(told) <= _MOST_TOLD:
            return told
        return f"{told[:_MOST_TOLD]}… {md5(told.encode(), usedforsecurity=False).hexdigest()}"


def check_mix_keywords(keywords: Mapping[str, Any]) -> None:
    """Raise InvalidArgument for what is said of each dataset, not of their mix."""
    for argument in _OF_DATASETS:
        if argument in keywords:
            raise InvalidArgument(argument, repr(keywords[argument]), "it with each dataset of the mix, not here")


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
            "datasets",
            "different caches, strategies or clients",
            "the same dst, cache_limit, retention, strategy, storage_client for all",
        )
    batches = keywords.get("batches", "mixed")
    if batches == "one":
        streams = [_of_whole_batches(number, stream) for number, stream in enumerate(streams)]
    options = iteration_options(keywords, [stream.recipe for stream in streams])
    ordering = MixOrdering(_mix_of(feeds, keywords, options.seed))
    if not ordering.count:
        raise InvalidArgument(ordering.options.mode, str(ordering.options.amounts), "at least one sample in an epoch")
    together = max(feed.options.together for feed in feeds) if keywords.get("batch_size") is None else 1
    options = replace(options, keeps_chunks=batches == "one", together=together)
    return Feed(Corpus(streams, ordering), options, resources)


def _mix_of(feeds: Sequence[Feed], keywords: MixKeywords, seed: int) -> MixOptions:
    mode, amounts = _amounts(keywords, len(feeds))
    batches = keywords.get("batches", "mixed")
    epoch_samples = keywords.get("epoch_samples", 0)
    if not isinstance(epoch_samples, int) or isinstance(epoch_samples, bool) or not 0 <= epoch_samples <= MAX_COUNT:
        raise InvalidArgument("epoch_samples", shortened(repr(epoch_samples), _SHOWN), "a whole number of samples")
    return MixOptions(
        tuple(Amount(len(feed.corpus), feed.options.shuffle, feed.options.block_samples) for feed in feeds),
        amounts,
        mode,
        epoch_samples,
        keywords.get("schedule", "random"),
        batches,
        _batch_samples(keywords) if batches == "one" else 0,
        seed,
    )


def _of_whole_batches(number: int, stream: Stream) -> Stream:
    """Let each row of a stream give one sample, or what follows would move on by one, into others' batches."""
    recipe, asked = stream.recipe, "batches='one', with which each row has its place in a batch"
    if may_leave_out(recipe):
        told = repr(recipe.policy.on_bad_sample)
        raise InvalidArgument(f"on_bad_sample of datasets[{number}]", told, f"'raise' or 'fill' beside {asked}")
    if has_generators(recipe):
        expected = f"functions from a dict to a dict beside {asked}"
        raise InvalidArgument(f"transforms of datasets[{number}]", "a generator", expected)
    return replace(stream, recipe=replace(recipe, pipeline=replace(recipe.pipeline, must_give_one=True)))


def _amounts(keywords: MixKeywords, count: int) -> tuple[Mode, tuple[float | Fraction, ...]]:
    given: list[tuple[Mode, Sequence[float] | None]] = [
        ("proportion", keywords.get("proportion")),
        ("repeat", keywords.get("repeat")),
        ("choose", keywords.get("choose")),
    ]
    told = [(mode, _numbers(mode, amounts)) for mode, amounts in given if amounts is not None]
    if len(told) > 1:
        raise InvalidArgument("proportion", "given beside repeat or choose", "one of the three")
    return told[0] if told else ("repeat", (1.0,) * count)


def _numbers(mode: Mode, amounts: Any) -> tuple[float | Fraction, ...]:  # noqa: ANN401 - whatever a caller gives
    if isinstance(amounts, str | bytes) or not hasattr(amounts, "__iter__"):
        raise InvalidArgument(mode, shortened(repr(amounts), _SHOWN), "a list with a number for each dataset")
    numbers = list(amounts)
    for at, number in enumerate(numbers):
        if isinstance(number, bool) or not isinstance(number, Real):
            raise InvalidArgument(f"{mode}[{at}]", shortened(repr(number), _SHOWN), "a number from 0 on")
    return tuple(number if isinstance(number, Rational) else float(number) for number in numbers)  # type: ignore[misc]


def _batch_samples(keywords: MixKeywords) -> int:
    batch_size = keywords.get("batch_size")
    if batch_size is None:
        raise InvalidArgument("batches", "'one'", "batch_size= beside it: as many samples in a row are of one stream")
    return batch_size
