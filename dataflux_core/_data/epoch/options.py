"""Say how a dataset is iterated; check what its maker was given."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from dataflux_core._plan.chunk_rows import run_of
from dataflux_core._plan.order.state import MAX_EPOCH
from dataflux_core._plan.text import shortened
from dataflux_core.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataflux_core._plan.order.deal import Tail

# Of all loader workers of a rank together: at 60 ms a read so many keep one core at work.
_REQUESTS, _LEAST_REQUESTS = 1024, 64
_HELD_BYTES, _LEAST_HELD_BYTES = 512 * 1024**2, 32 * 1024**2
# Samples read ahead for each request: of small ones 32 travel with two requests, one after the other.
_AHEAD = 16
_LEAST_AHEAD = 4096  # of them, unless fewer are asked for
_SHOWN = 100  # characters of what was given


@dataclass(frozen=True, slots=True)
class IterationOptions:
    """How the samples of an epoch reach one process."""

    seed: int = 0
    shuffle: bool = False
    block_samples: int = 0  # 0: over the whole
    ranks_per_node: int = 0  # 0: no node keeps to a share of its own
    tail: Tail = "pad"
    chunk: int = 1  # samples dealt to one worker at a time
    rank: int | None = None  # None: as torch.distributed or the launcher's environment say
    world: int | None = None
    max_requests: int | None = None  # of one process; None: its part of what a rank may have
    prefetch_samples: int | None = None  # of one process; None: 4096, or sixteen times the requests
    prefetch_bytes: int | None = None  # of one process; None: its part of what a rank may hold
    evens_out: bool = False  # bad samples that are left out are made up for by repeats, where there are several ranks
    is_one_to_one: bool = True  # each row is known to give one sample, so all ranks come as far
    keeps_chunks: bool = False  # no batch of one stream is cut, the last ones of an epoch neither
    block_ends: Sequence[int] = ()  # in the place of block_samples: blocks that end where chunks do
    together: int = 1  # samples that are read together, so that one worker is best dealt them; 1: `chunk` is as given

    def run(self, count: int, world: int) -> int:
        """Return how many of an epoch's samples in a row one worker is dealt."""
        return self.chunk if self.together <= 1 else run_of(count, world, self.together)

    def bounds(self, workers: int) -> AheadBounds:
        """Return how far one of so many loader workers reads ahead."""
        requests = self.max_requests or max(_LEAST_REQUESTS, _REQUESTS // workers)
        held_bytes = self.prefetch_bytes or max(_LEAST_HELD_BYTES, _HELD_BYTES // workers)
        return AheadBounds(requests, self.prefetch_samples or max(_LEAST_AHEAD, _AHEAD * requests), held_bytes)


@dataclass(frozen=True, slots=True)
class AheadBounds:
    """How far one process reads ahead of its consumer; one row is always read."""

    max_requests: int  # under way at once
    max_samples: int
    max_bytes: int


def ranks_of(options: IterationOptions) -> tuple[int, int]:
    """Return (rank, world): as given, else torch.distributed's, else RANK and WORLD_SIZE of a launcher, else (0, 1)."""
    return known_ranks(options) or (0, 1)


def known_ranks(options: IterationOptions) -> tuple[int, int] | None:
    """Return (rank, world) as above; None where nobody has said them, or not yet."""
    if options.rank is not None and options.world is not None:
        return options.rank, options.world
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    told_rank, told_world = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if told_rank is None and told_world in {None, "1"}:
        return None
    try:
        rank, world = int(told_rank or ""), int(told_world or "1")
    except ValueError as error:
        told = f"RANK={told_rank} WORLD_SIZE={told_world}"
        raise InvalidArgument("rank", told, "whole numbers in the environment, or rank= and world=") from error
    check_ranks(rank, world)
    return rank, world


def check_ranks(rank: int, world: int) -> None:
    """Raise InvalidArgument for a rank that is none of the world's."""
    if not (isinstance(rank, int) and isinstance(world, int) and 0 <= rank < world):
        raise InvalidArgument("rank", f"{rank!r} of world={world!r}", "whole numbers, 0 <= rank < world")


def checked_choice(argument: str, given: Any, choices: Any) -> Any:  # noqa: ANN401 - whatever a caller gives, a Literal
    """Refuse what is none of the choices of a Literal."""
    if given not in get_args(choices):
        raise InvalidArgument(argument, repr(given), f"one of {', '.join(map(repr, get_args(choices)))}")
    return given


def check_epoch(epoch: object) -> None:
    """Raise InvalidArgument for what is no number of an epoch."""
    if not isinstance(epoch, int) or isinstance(epoch, bool) or not 0 <= epoch <= MAX_EPOCH:
        raise InvalidArgument("epoch", shortened(repr(epoch), _SHOWN), "a whole number from 0 to 2**62")


def check_batch_size(batch_size: object) -> None:
    """Raise InvalidArgument for what is no size of a batch."""
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise InvalidArgument("batch_size", repr(batch_size), "a whole number of at least 1")
