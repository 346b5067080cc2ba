"""Iterate over a corpus, epoch after epoch, in any process; remember how far its consumer has come."""

from __future__ import annotations

import logging
import os
import secrets
from contextlib import closing
from dataclasses import dataclass, replace
from operator import ge
from typing import TYPE_CHECKING, Any, TypeVar

from dataflux_core._data.epoch.board import Board
from dataflux_core._data.epoch.lane_run import Share, Tools, run_lane
from dataflux_core._data.epoch.loader_state import states_within
from dataflux_core._data.epoch.loaders import Noticing, place
from dataflux_core._data.epoch.options import check_epoch, known_ranks, ranks_of
from dataflux_core._data.epoch.random_access import RowMakers
from dataflux_core._data.epoch.stats import StreamStats
from dataflux_core._data.epoch.watching import timed, watched
from dataflux_core._plan.order.deal import Deal
from dataflux_core._plan.order.state import (
    EVERY_RANK,
    EpochState,
    Lane,
    Progress,
    from_dict,
    joined,
    start_of,
    to_dict,
)
from dataflux_core.errors import StateMismatch

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from dataflux_core._data.epoch.board import Pass
    from dataflux_core._data.epoch.corpus import Corpus
    from dataflux_core._data.epoch.lane_run import Given
    from dataflux_core._data.epoch.loaders import LoaderIteration, Place
    from dataflux_core._data.epoch.options import IterationOptions
    from dataflux_core._data.epoch.resources import Resources
    from dataflux_core._data.samples.encoded import Sample
    from dataflux_core._data.samples.maker import SampleMaker
    from dataflux_core._plan.order.state import Identity, Start

log = logging.getLogger(__name__)
T = TypeVar("T")
_NOTE_EVERY = 32  # samples, between two notes of a worker's statistics


@dataclass(slots=True)
class _Running:
    """One iteration of this process."""

    serial: int  # among all passes
    epoch: int
    share: Share
    progress: Progress
    samples: int = 0
    is_over: bool = False


class Feed:
    """One dataset's iterations in this process and, through copies of it, in loader workers."""

    def __init__(self, corpus: Corpus, options: IterationOptions, resources: Resources) -> None:
        self.corpus = corpus
        self.options = options
        self.resources = resources
        self.noticing = Noticing()
        self.row_makers = RowMakers()
        self._watchers = 0  # loops, which count how long the consumer waits
        self._board = Board()
        self._own_stats = StreamStats()
        self._earlier_stats = StreamStats()  # of workers whose loader has others now
        self._makers: list[SampleMaker] = []
        self._resumed = EpochState()  # where the epoch of its number begins
        self._state_number = 0  # on the board, of that state
        self._wanted_epoch: int | None = None  # by a worker whose loader keeps its state
        self._running: _Running | None = None  # the last iteration of this process itself
        self._passes = 0
        self._told_at = 0  # passes that were begun before this was told where to go on

    def __getstate__(self) -> dict[str, Any]:
        # A worker that is spawned does not know its rank. A rank that is spawned does, once it has joined the others.
        known = known_ranks(self.options)
        options = self.options if known is None else replace(self.options, rank=known[0], world=known[1])
        made_of = self.corpus, options, self.resources
        return {"made_of": made_of, "board": self._board, "resumed": (self._resumed, self._state_number)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(*state["made_of"])  # type: ignore[misc] # pickle made the empty object that this fills
        self._board = state["board"]
        self._resumed, self._state_number = state["resumed"]
        if self._board.process_id:  # one of its own, on which no state has a number yet
            self._state_number = 0
        self._told_at = self._board.begun

    def look(self, dataset: object) -> None:
        """Notice a loader that is about to start its workers: they are to share a board with this process alone."""
        self._own_board()
        earlier = self.noticing.last
        noticed = self.noticing.look(dataset, self._board.begun)
        if noticed is not None:
            self._board.forget(noticed.key)
            for worker in range(earlier.workers if earlier is not None else 0):
                self._earlier_stats += self._board.stats_of(worker)
                self._board.put_stats(worker, StreamStats())

    def _own_board(self) -> None:
        """Let a process that was given this dataset count for itself, as a rank does; a loader's worker does not."""
        if self._board.process_id != os.getpid() and place() is None:
            self._board = Board(self._board.next_epoch)
            self._told_at, self._state_number, self._running, self.noticing.last = 0, 0, None, None

    @property
    def rows(self) -> int:
        """How many samples this rank is given in a whole epoch, all its workers together."""
        rank, world = ranks_of(self.options)
        return self._deal(world, 1).rank_rows(self.corpus.positions, rank)

    def samples(self) -> Iterator[Sample]:
        """Yield this process's share of the next epoch: a rank's, or that of one of its loader's workers."""
        here = place()
        if here is not None:
            yield from self._as_worker(here)
            return
        self._own_board()
        running = self._begin(self._board.begin(secrets.randbits(62), 0), workers=1, worker=0)
        lane = self._run(running)
        with closing(lane if self._watchers else timed(lane, self._own_stats)) as given:
            for sample, _ in given:
                yield sample
        running.is_over = True

    def _as_worker(self, here: Place) -> Iterator[Sample]:
        if not self._passes:  # what a fork inherits was counted by its parent
            self._own_stats, self._makers = StreamStats(), []
        begun = self._board.begin(here.loader_key, self._passes, self._wanted_epoch)
        self._passes += 1
        self._wanted_epoch = None
        if begun.state != self._state_number:  # the loop has gone beyond what this worker was started with
            self._resumed, self._state_number = EpochState(begun.epoch), begun.state
        running = self._begin(begun, here.workers, here.worker)
        self._board.worker_begins(here.worker, begun.serial)
        for sample, progress in self._run(running):
            self._board.tell(here.worker, running.samples, progress)
            if running.samples % _NOTE_EVERY == 1:
                self._put_stats(here.worker, begun)
            yield sample
        running.is_over = True
        self._put_stats(here.worker, begun)
        self._board.worker_ends(here.worker)

    def _put_stats(self, worker: int, begun: Pass) -> None:
        if self._board.note_of(worker).serial == begun.serial:  # else its place is another's by now
            self._board.put_stats(worker, self._stats_here())

    def _begin(self, begun: Pass, workers: int, worker: int) -> _Running:
        start = self._start(begun.epoch, workers)
        rank, world = ranks_of(self.options)
        lane = (worker + start.turn) % workers
        deal = self._deal(world, workers)
        share = Share(self.corpus.ordering.order(begun.epoch, deal), deal, rank, lane, start)
        self._running = _Running(begun.serial, begun.epoch, share, share.begins)
        return self._running

    def _start(self, epoch: int, workers: int) -> Start:
        rank, world = ranks_of(self.options)
        return start_of(self._base(epoch), self.corpus.positions, self._deal(world, workers), rank)

    def _base(self, epoch: int) -> EpochState:
        return self._resumed if self._resumed.epoch == epoch else EpochState(epoch)

    def _run(self, running: _Running) -> Generator[Given, None, None]:
        bounds = self.options.bounds(running.share.deal.workers)
        makers = self.corpus.makers()
        self._makers += makers
        log.info("epoch.begin epoch=%d lane=%d rows=%d", running.epoch, running.share.lane, running.share.rows)
        tools = Tools(self.corpus, self.resources, makers, bounds, self._own_stats)
        try:
            with closing(run_lane(running.share, tools, evens_out=self.options.evens_out)) as lane:
                for given in lane:
                    running.samples += 1
                    running.progress = given.progress
                    self._own_stats.samples += 1
                    yield given
        finally:
            log.info("epoch.end epoch=%d samples=%d %s", running.epoch, running.samples, self._stats_here())

    def _deal(self, world: int, workers: int) -> Deal:
        options = self.options
        run = options.run(self.corpus.positions, world)
        return Deal(world, workers, run, options.tail, options.keeps_chunks)

    def watched(self, batches: Iterable[T], *, shows_bar: bool) -> Iterator[T]:
        """Yield what `batches` gives, count how long that is waited for."""
        self._watchers += 1
        try:
            yield from watched(batches, self._own_stats, self.stats, shows_bar=shows_bar)
        finally:
            self._watchers -= 1

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be that of `epoch`: from its front, unless a state was loaded that is midway in it."""
        check_epoch(epoch)
        self._own_board()
        if epoch == self._resumed.epoch == self._board.next_epoch:
            return  # loops say so before each epoch, also before the one that a state begins with
        self._go_on_from(EpochState(epoch))

    def _go_on_from(self, state: EpochState) -> None:
        self._resumed, self._running = state, None
        self._state_number = self._board.go_on_from(state.epoch)
        self._told_at = self._board.begun

    def _check_not_kept(self) -> None:
        """Raise StateMismatch where workers would not hear of a state: they go on with what they were started with."""
        loader = self.noticing.last
        if loader is not None and loader.keeps_workers:
            raise StateMismatch(
                "a DataLoader with persistent_workers has started workers, which do not hear of it",
                "load the state before the first loop over it, or make dataset and DataLoader anew",
            )

    def load(self, told: object) -> None:
        """Go on from a state, those of all ranks, or that of a StatefulDataLoader; raises StateMismatch."""
        self._own_board()
        identity = self._identity()
        state = joined([from_dict(state, identity) for state in states_within(told)], self.corpus.positions)
        self._check_midway(state)
        here = place()
        if state.deal is not None and here is not None and len(state.lanes) == 1:
            (lane,) = state.lanes  # a worker's own: it goes on with it whichever worker it is now
            state = replace(state, turn=(lane.worker - here.worker) % here.workers)
        if here is not None:
            self._resumed, self._wanted_epoch = state, state.epoch
            self._state_number = self._board.state_number
        else:
            if state != EpochState(state.epoch):  # where an epoch's front is, the board tells them
                self._check_not_kept()
            self._go_on_from(state)

    def _check_midway(self, state: EpochState) -> None:
        """Raise StateMismatch for a row left midway where each gives one sample: it would be passed over."""
        given = [*(outputs for _, outputs in state.begun), *(done.outputs for done in state.lanes.values())]
        if any(given) and all(stream.recipe.pipeline.gives_one for stream in self.corpus.streams):
            told = f"it has handed out {max(given)} samples of one row, of which this dataset makes one"
            raise StateMismatch(told, "give the transforms that it was made with")

    def told(self) -> dict[str, Any]:
        """Return how far the consumer has come, as what JSON can hold."""
        self._own_board()
        here = place()
        return to_dict(self._state() if here is None else self._state_of_worker(here), self._identity())

    def _identity(self) -> Identity:
        _, world = ranks_of(self.options)
        return self.corpus.identity(self._deal(world, 1))

    def _state(self) -> EpochState:
        next_epoch = self._board.next_epoch  # before workers are asked: they may begin it now
        begun, loader, running = self._board.last_pass(), self.noticing.last, self._running
        if begun is None or begun.serial <= self._told_at:
            return self._base(next_epoch)
        if loader is not None and loader.noticed_at >= begun.serial:
            return self._base(next_epoch)  # its workers have begun nothing yet
        if running is not None and running.serial == begun.serial:
            return EpochState(running.epoch + 1) if running.is_over else self._state_of_running(running)
        if loader is not None and loader.key == begun.loader_key:
            if loader.is_beyond(begun.number):
                return self._base(next_epoch)  # nor have those that it keeps, of this pass
            return self._state_of_loader(loader, begun)
        raise StateMismatch(
            "another process iterates, whose consumer is not seen from here",
            "give the dataset itself to the DataLoader, not one that is wrapped around it",
        )

    def _state_of_worker(self, here: Place) -> EpochState:
        """Tell of its own share alone, also before it has begun, as a loader that keeps its state wants it."""
        if self._running is not None:
            return self._state_of_running(self._running)
        begun = self._board.pass_of(here.loader_key, self._passes)
        epoch = self._board.next_epoch if begun is None else begun.epoch
        if self._wanted_epoch is not None:
            epoch = self._wanted_epoch
        start = self._start(epoch, here.workers)
        lane = (here.worker + start.turn) % here.workers
        _, world = ranks_of(self.options)
        return self._dealt(epoch, self._deal(world, here.workers), start, {lane: start.of(lane)}, is_even=True)

    def _state_of_running(self, running: _Running) -> EpochState:
        share = running.share
        done = running.progress.rows - share.begins.rows
        is_even = done == running.samples or running.is_over
        return self._dealt(running.epoch, share.deal, share.start, {share.lane: running.progress}, is_even=is_even)

    def _state_of_loader(self, loader: LoaderIteration, begun: Pass) -> EpochState:
        notes = [self._board.note_of(worker) for worker in range(loader.workers)]
        # One that has not started yet may still be noted with an earlier pass.
        ended = {
            worker: note.samples for worker, note in enumerate(notes) if note == (begun.serial, note.samples, True)
        }
        given = loader.batches_of_workers(ended)
        if len(ended) == loader.workers and all(map(ge, given, loader.batches_in(list(ended.values())))):
            return EpochState(begun.epoch + 1)
        if not loader.handed_out:
            return self._base(begun.epoch)
        start = self._start(begun.epoch, loader.workers)
        lanes, is_even = {}, True
        for worker in range(loader.workers):
            samples = given[worker] * loader.batch_size
            samples = min(samples, ended.get(worker, samples))
            lane = (worker + start.turn) % loader.workers
            begins = start.of(lane)
            lanes[lane] = self._board.progress_at(worker, samples) if samples else begins
            is_even = is_even and lanes[lane].rows - begins.rows == samples
        _, world = ranks_of(self.options)
        turned = replace(start, turn=(start.turn + loader.handed_out) % loader.workers)
        return self._dealt(begun.epoch, self._deal(world, loader.workers), turned, lanes, is_even=is_even)

    def _dealt(
        self, epoch: int, deal: Deal, start: Start, lanes: Mapping[int, Progress], *, is_even: bool
    ) -> EpochState:
        """Return a state; where each row gave one sample, every rank has come as far as this one."""
        rank, world = ranks_of(self.options)
        base = self._base(epoch)
        is_even = is_even and self.options.is_one_to_one and all(lane.rank == EVERY_RANK for lane in base.lanes)
        rows = [deal.lane_rows(len(start.remainder), rank, worker) for worker in range(deal.workers)]
        if place() is None and is_even and lanes == {worker: Progress(count) for worker, count in enumerate(rows)}:
            return EpochState(epoch + 1)  # so every rank says, whether or not it has asked for one sample more
        whose = EVERY_RANK if is_even or world == 1 else rank
        return EpochState(
            epoch,
            start.remainder.interruptions,
            tuple(start.begun.items()),
            deal,
            start.turn,
            {Lane(whose, worker): progress for worker, progress in lanes.items()},
        )

    def stats(self) -> StreamStats:
        """Return what was done in this process and by the workers of the last loader."""
        loader = self.noticing.last
        workers = range(loader.workers) if loader is not None else range(0)
        return sum((self._board.stats_of(worker) for worker in workers), self._earlier_stats + self._stats_here())

    def _stats_here(self) -> StreamStats:
        bad = sum(maker.counts.bad for maker in self._makers) + self.row_makers.bad
        return self._own_stats + self.resources.stats() + StreamStats(bad_samples=bad)
