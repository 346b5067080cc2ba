"""Notice when a torch DataLoader takes a dataset to its workers; tell how much it has handed out."""

from __future__ import annotations

import os
import sys
import weakref
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from dataflux_core.errors import StateMismatch

if TYPE_CHECKING:
    from types import FrameType

_MASK = (1 << 62) - 1
_TORCH = ("torch.utils.data.", "torchdata.")


class Place(NamedTuple):
    """Which worker of a loader this process is."""

    worker: int
    workers: int
    loader_key: int  # the same in all workers of one loader, another for each that is made


def place() -> Place | None:
    """Return the place of this process among a loader's workers; None in any other process.

    torch is asked only where somebody has imported it: a loader's worker always has.
    """
    torch_data = sys.modules.get("torch.utils.data")
    info = torch_data.get_worker_info() if torch_data is not None else None
    if info is None:
        return None
    return Place(info.id, info.num_workers, (info.seed - info.id) & _MASK)


def declare_iterable(kind: type) -> None:
    """Let torch's DataLoader iterate over datasets of this kind; imports no torch for those who do not use it."""
    torch_data = sys.modules.get("torch.utils.data")
    if torch_data is not None and not issubclass(kind, torch_data.IterableDataset):
        torch_data.IterableDataset.register(kind)


@dataclass(slots=True)
class LoaderIteration:
    """One pass of a loader with workers over a dataset, as seen from the process that consumes it."""

    key: int
    workers: int
    batch_size: int
    drop_last: bool
    in_order: bool
    attributes: dict[str, Any]  # the loader iterator's own; it counts batches as it hands them out
    noticed_at: int  # the passes that had been begun by then
    batches: int = 0  # the count, once the iterator is gone
    passes: int = 0  # that the iterator was set to the front for

    @property
    def handed_out(self) -> int:
        """How many batches the consumer has been given."""
        return int(self.attributes["_num_yielded"]) if self.attributes else self.batches

    @property
    def keeps_workers(self) -> bool:
        """Whether its workers live on from epoch to epoch, with what the dataset was when they started."""
        return bool(self.attributes.get("_persistent_workers"))

    def is_beyond(self, number: int) -> bool:
        """Whether a pass later than that of this number, from 0 on, was asked for."""
        return self.keeps_workers and self.passes > number + 1

    def count_passes(self) -> None:
        """Count whenever the iterator is set to its front, for which it takes its sampler's iterator anew.

        It says so nowhere else, and its count of batches is 0 again before a worker has begun the next pass.
        """
        sampler_iterator = self.attributes.get("_sampler_iter")
        if sampler_iterator is not None:
            with suppress(TypeError):  # another loader's, of which no weak reference can be had
                weakref.finalize(sampler_iterator, self._next_pass).atexit = False

    def _next_pass(self) -> None:
        if self.attributes:
            self.passes += 1
            self.count_passes()

    def end(self) -> None:
        """Keep nothing but the count."""
        self.batches = self.handed_out
        self.attributes = {}

    def batches_in(self, samples: list[int]) -> list[int]:
        """Return how many batches so many samples of one worker make."""
        return [count // self.batch_size if self.drop_last else -(-count // self.batch_size) for count in samples]

    def batches_of_workers(self, ended: dict[int, int]) -> list[int]:
        """Return how many of each worker's batches were handed out; `ended` has the samples of those that are done.

        A loader takes a batch of each worker in turn, passing over those that have no more.
        """
        if not self.in_order:
            raise StateMismatch(
                "the loader hands batches out in no fixed order", "make the DataLoader with in_order=True"
            )
        most = [sys.maxsize] * self.workers
        for worker, batches in zip(ended, self.batches_in(list(ended.values())), strict=True):
            most[worker] = batches
        left = self.handed_out
        given = [0] * self.workers
        while left > 0:
            open_ones = [worker for worker in range(self.workers) if given[worker] < most[worker]]
            if not open_ones:
                break
            turns = max(1, min(left // len(open_ones), *(most[worker] - given[worker] for worker in open_ones)))
            for worker in open_ones[:left]:
                given[worker] += turns
            left -= turns * len(open_ones[:left])
        return given


class Noticing:
    """Remembers the last loader that took a dataset to its workers."""

    def __init__(self) -> None:
        self.last: LoaderIteration | None = None

    def look(self, dataset: object, begun: int) -> LoaderIteration | None:
        """Return the loader that is starting its workers now, if it was not known; `begun` passes were begun before.

        Called where a dataset is about to reach another process. A plain DataLoader tells its
        dataset nothing, so its iterator is found among the callers.
        """
        if "torch.utils.data.dataloader" not in sys.modules:
            return None
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way to the callers
        while frame is not None:
            # To look at a frame's locals keeps what they are for as long as its function runs: a caller's never.
            if str(frame.f_globals.get("__name__")).startswith(_TORCH):
                iterator, loader = frame.f_locals.get("self"), frame.f_locals.get("loader")
                if loader is not None and getattr(iterator, "_dataset", None) is dataset:
                    return self._remember(iterator, loader, begun)
            frame = frame.f_back
        return None

    def _remember(self, iterator: Any, loader: Any, begun: int) -> LoaderIteration | None:  # noqa: ANN401 - torch's
        attributes = vars(iterator)
        if self.last is not None and self.last.attributes is attributes:
            return None  # its next worker
        noticed = LoaderIteration(
            int(attributes.get("_base_seed", 0)) & _MASK,
            loader.num_workers,
            loader.batch_size or 1,
            bool(loader.drop_last),
            getattr(loader, "in_order", True),
            attributes,
            begun,
        )
        self.last = noticed
        noticed.count_passes()
        # A loop that was left drops its iterator at once; how far it came must still be known then.
        weakref.finalize(iterator, noticed.end).atexit = False
        return noticed


_noticed: weakref.WeakSet[Any] = weakref.WeakSet()
_is_registered = False


def notice_forks(dataset: Any) -> None:  # noqa: ANN401 - with a Noticing of its own
    """Let `dataset._look()` be called before each fork of this process."""
    global _is_registered  # noqa: PLW0603 - hooks of a process cannot be taken back, so there is one
    _noticed.add(dataset)
    if not _is_registered and hasattr(os, "register_at_fork"):
        _is_registered = True
        os.register_at_fork(before=_before_fork)


def _before_fork() -> None:
    for dataset in list(_noticed):
        dataset._look()  # noqa: SLF001 - it is for nobody but this
