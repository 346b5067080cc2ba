"""Say which sample of which stream stands at each position of a mix."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from dataflux_core._plan.order.interleave import Interleaving, interleave
from dataflux_core._plan.order.passes import Passes, Stream
from dataflux_core._plan.order.permutation import MAX_COUNT, Permutations, check_range, key_of, keys_of
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray

Mode = Literal["proportion", "repeat", "choose"]
Schedule = Literal["random", "interleaved", "consecutive"]
Batches = Literal["mixed", "one"]

_STRETCH = 128  # units that a random schedule permutes among themselves, so that every stretch has all streams' shares


@dataclass(frozen=True, slots=True)
class MixOptions:
    """What is mixed, in which amounts, how."""

    streams: tuple[Stream, ...]
    amounts: tuple[float | Fraction, ...]  # of each stream, as the mode reads them
    # "proportion": shares of the mix, in whatever unit; "repeat": times per epoch; "choose": samples per epoch.
    mode: Mode = "proportion"
    epoch_samples: int = 0  # of a mix by proportion; 0: until the first stream runs out
    schedule: Schedule = "random"
    batches: Batches = "mixed"  # "one": each run of batch_samples positions is of one stream
    batch_samples: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in ("mode", Mode), ("schedule", Schedule), ("batches", Batches):
            if getattr(self, name) not in get_args(choices):
                expected = " or ".join(repr(choice) for choice in get_args(choices))
                raise InvalidArgument(name, repr(getattr(self, name)), expected)
        if len(self.amounts) != len(self.streams):
            raise InvalidArgument(self.mode, str(self.amounts), f"one for each of {len(self.streams)} streams")
        if self.epoch_samples < 0 or (self.epoch_samples and self.mode != "proportion"):
            raise InvalidArgument("epoch_samples", str(self.epoch_samples), "0, or samples of a mix by proportion")
        if (self.batches == "one") != (self.batch_samples > 0):
            expected = "the length of a batch with batches='one', else 0"
            raise InvalidArgument("batch_samples", str(self.batch_samples), expected)
        _check_amounts(self)


@dataclass(frozen=True, slots=True)
class MixOrder:
    """The order of one epoch of a mix.

    A sample's id is its id within its stream plus the samples of all streams before it. What is scheduled are units:
    draws, or whole batches where each is of one stream.
    """

    options: MixOptions
    epoch: int
    draws: tuple[int, ...] = field(init=False)  # of each stream; the same in every epoch
    count: int = field(init=False)
    _units: Interleaving = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        draws = draws_of(self.options)
        object.__setattr__(self, "draws", draws)
        object.__setattr__(self, "count", sum(draws))
        object.__setattr__(self, "_units", interleave([drawn // self._unit for drawn in draws]))

    @property
    def drift(self) -> float:
        """Tell how many units an interleaved stream is ahead or behind of its share at most."""
        return self._units.drift

    def sample_ids(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the sample at each position: (n,) positions, in any order, -> (n,) ids."""
        streams, numbers = self.locate(positions)
        found = np.empty(len(positions), np.int64)
        for number in np.unique(streams):
            these = streams == number
            offset = sum(stream.count for stream in self.options.streams[:number])
            found[these] = offset + self._passes(int(number)).sample_ids(numbers[these])
        return found

    def locate(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Tell whose draw each position is, the how manieth of its stream: (n,) -> (n,) streams, (n,) numbers.

        Raises IndexError unless every position lies in [0, count).
        """
        check_range(positions, self.count)
        units, places = np.divmod(positions, self._unit)
        if self.options.schedule == "consecutive":
            ends = np.cumsum(self._units.draws, dtype=np.int64)
            streams = np.searchsorted(ends, units, side="right")
            numbers = units - (ends - self._units.draws)[streams]
        elif self.options.schedule == "interleaved":
            streams, numbers = self._units.locate(units)
        else:
            streams, numbers = self._locate_at_random(units)
        return streams, numbers * self._unit + places

    def _locate_at_random(self, units: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Permute each stretch of the interleaved schedule."""
        if all(stream.shuffle for stream in self.options.streams):
            return self._units.locate(self._permuted(units))
        stretches, of_unit = np.unique(units // _STRETCH, return_inverse=True)
        starts = stretches * _STRETCH
        every = (starts[:, None] + np.arange(_STRETCH)).ravel()
        kept = every[every < self.count // self._unit]
        streams, numbers = self._units.locate(kept)
        permuted = streams[np.searchsorted(kept, self._permuted(kept))]
        # Who is to keep an order gets the numbers of its draws in each stretch back in their order.
        in_order = np.empty_like(numbers)
        group = kept // _STRETCH
        in_order[np.lexsort((kept, permuted, group))] = numbers[np.lexsort((kept, streams, group))]
        found = of_unit * _STRETCH + units % _STRETCH  # all stretches but the last are whole
        return permuted[found], in_order[found]

    def _permuted(self, units: NDArray[np.int64]) -> NDArray[np.int64]:
        stretches, offsets = np.divmod(units, _STRETCH)
        whole, rest = divmod(self.count // self._unit, _STRETCH)
        keys = keys_of(key_of(self.options.seed, self.epoch, "stretches"), stretches)
        short = stretches == whole
        offsets[~short] = Permutations(_STRETCH).at(offsets[~short], keys[~short])
        if short.any():
            offsets[short] = Permutations(rest).at(offsets[short], keys[short])
        return stretches * _STRETCH + offsets

    def _passes(self, number: int) -> Passes:
        options = self.options
        return Passes(options.streams[number], self.draws[number], self.epoch, options.seed, f"stream {number}")

    @property
    def _unit(self) -> int:
        return self.options.batch_samples or 1


def draws_of(options: MixOptions) -> tuple[int, ...]:
    """Count what an epoch draws of each stream: exactly so much in every epoch.

    Where batches are of one stream they are whole ones, as many as fit, at least one where anything was asked for.
    """
    counts = [stream.count for stream in options.streams]
    amounts = [exact(amount) for amount in options.amounts]
    if options.mode == "repeat":
        draws = [_nearest(amount * count) for amount, count in zip(amounts, counts, strict=True)]
    elif options.mode == "choose":
        draws = [int(amount) for amount in amounts]
    else:
        draws = _shared_out(options, amounts)
    batch = options.batch_samples
    if batch:
        draws = [max(drawn // batch, 1) * batch if drawn else 0 for drawn in draws]
    if sum(draws) > MAX_COUNT:
        raise InvalidArgument(options.mode, str(options.amounts), f"{MAX_COUNT} samples in an epoch at most")
    return tuple(draws)


def exact(amount: float | Fraction) -> Fraction:
    """Read a number as it is written: 0.1 is a tenth."""
    return Fraction(str(amount)) if isinstance(amount, float) else Fraction(amount)


def _shared_out(options: MixOptions, amounts: list[Fraction]) -> list[int]:
    """Share the epoch's samples out by largest remainders; the first of two equal ones goes first."""
    total = sum(amounts)
    if not total:
        return [0] * len(amounts)
    samples = options.epoch_samples or min(
        stream.count * total // amount for stream, amount in zip(options.streams, amounts, strict=True) if amount
    )
    shares = [samples * amount / total for amount in amounts]
    draws = [int(share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda number: draws[number] - shares[number])
    for number in by_remainder[: samples - sum(draws)]:
        draws[number] += 1
    return draws


def _nearest(number: Fraction) -> int:
    return int(number + Fraction(1, 2))


def _check_amounts(options: MixOptions) -> None:
    for number, (stream, amount) in enumerate(zip(options.streams, options.amounts, strict=True)):
        if not 0 <= amount < float("inf"):
            raise InvalidArgument(f"{options.mode}[{number}]", str(amount), "a number from 0 on")
        if options.mode == "choose" and amount != int(amount):
            raise InvalidArgument(f"{options.mode}[{number}]", str(amount), "a whole number of samples")
        if amount and not stream.count and options.mode != "repeat":
            raise InvalidArgument(f"{options.mode}[{number}]", str(amount), "0: the stream has no samples")
