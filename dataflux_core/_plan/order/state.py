"""Say how far an epoch has come, so that any other set of ranks or loader workers can go on from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, groupby
from typing import Any, NamedTuple, get_args

import numpy as np

from dataflux_core._plan.order.deal import Deal, Tail
from dataflux_core._plan.order.permutation import MAX_COUNT
from dataflux_core._plan.order.remainder import MOST_HOLES, MOST_RUNS, Done, Remainder
from dataflux_core._plan.order.state_checks import check_fits
from dataflux_core.errors import StateMismatch

VERSION = 1
EVERY_RANK = -1
MAX_EPOCH = 2**62  # numbers of epochs go through memory as 64 bits
_MOST_LANES = 1_000_000  # a state that tells of more is none; each takes memory
_ADVICE = "load a state that this version's state_dict() gave"


class Lane(NamedTuple):
    """The share of one worker of a rank."""

    rank: int  # EVERY_RANK: of each, all have come as far
    worker: int


class Progress(NamedTuple):
    """How much of a lane was handed to the consumer."""

    rows: int = 0
    outputs: int = 0  # samples that the next row gives too, handed out already
    missing: int = 0  # bad rows among those done, to be made up for at the end


@dataclass(frozen=True, slots=True)
class Identity:
    """What two datasets must agree in for one to go on from the other's state."""

    index: str  # fingerprint
    order: str  # how an epoch's order is made: seed, shuffle, blocks
    count: int  # positions in an epoch


@dataclass(frozen=True, slots=True)
class EpochState:
    """How far one epoch has come."""

    epoch: int = 0
    interruptions: tuple[Done, ...] = ()
    begun: tuple[tuple[int, int], ...] = ()  # (position, samples of it handed out) where a row was left midway
    deal: Deal | None = None  # as which the rest is being dealt; None: not at all yet
    turn: int = 0  # the worker whose batch is next
    lanes: Mapping[Lane, Progress] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Start:
    """From where each worker of one rank goes on."""

    remainder: Remainder
    begun: Mapping[int, int]  # by position
    turn: int
    progress: Mapping[int, Progress]  # by worker

    def of(self, worker: int) -> Progress:
        return self.progress.get(worker, Progress())


def start_of(state: EpochState, count: int, deal: Deal, rank: int) -> Start:
    """Say where the workers of a rank go on; raises StateMismatch where what other ranks did is not known.

    Dealt as before, each worker goes on with its own share, so that batches are those of an unbroken run. Dealt
    otherwise, what is left of all shares is dealt anew.
    """
    remainder = Remainder(count, state.interruptions)
    begun = dict(state.begun)
    if state.deal is None:
        return Start(remainder, begun, 0, {})
    if state.deal == deal:
        own = {worker: _progress_of(state, rank, worker) for worker in range(deal.workers)}
        known = {worker: progress for worker, progress in own.items() if progress is not None}
        if known:
            return Start(remainder, begun, state.turn, known)
    done, midway = _merged(state, state.deal, remainder)
    left = remainder.without(done)
    # What was given to its end since then would make the state longer with each interruption.
    begun = {position: outputs for position, outputs in {**begun, **midway}.items() if left.holds(position)}
    return Start(left, begun, 0, {})


def _merged(state: EpochState, deal: Deal, remainder: Remainder) -> tuple[Done, dict[int, int]]:
    """Put together what all ranks did; return it with the rows left midway, by position."""
    rows: list[int] = []
    midway: dict[int, int] = {}
    for worker in range(deal.workers):
        for rank in range(deal.world):
            done = _progress_of(state, rank, worker)
            if done is None:
                raise StateMismatch(
                    f"it tells nothing of worker {worker} of rank {rank}",
                    "give the states of all ranks: load_state_dict([state, ...]), or a StatefulDataLoader's own state",
                )
            rows.append(done.rows)
            if done.outputs:
                index = deal.indexes(len(remainder), rank, worker, np.array([done.rows], np.int64))
                midway[int(remainder.positions(index)[0])] = done.outputs
    return Done(0, deal, tuple(rows)), midway


def _progress_of(state: EpochState, rank: int, worker: int) -> Progress | None:
    """Return what is said of this lane itself, else of those of all ranks."""
    return state.lanes.get(Lane(rank, worker)) or state.lanes.get(Lane(EVERY_RANK, worker))


def joined(states: Sequence[EpochState], count: int = 0) -> EpochState:
    """Make one state of those of several ranks or workers; raises StateMismatch where they are not of one moment.

    Of an epoch of `count` positions some ranks may be at the end while others are not.
    """
    states = _with_ended(states, count)
    first = states[0]
    lanes = dict(first.lanes)
    for state in states[1:]:
        if replace(state, lanes=first.lanes, turn=first.turn) != first:
            raise StateMismatch("the states are of different epochs or runs", "give states that were taken together")
        for lane, done in state.lanes.items():
            if lanes.setdefault(lane, done) != done:
                whose = "every rank" if lane.rank == EVERY_RANK else f"rank {lane.rank}"
                told = f"worker {lane.worker} of {whose} is at row {lanes[lane].rows}, and at row {done.rows}"
                raise StateMismatch(told, "give states that all ranks took after as many batches")
    return replace(first, lanes=lanes)


def _with_ended(states: Sequence[EpochState], count: int) -> Sequence[EpochState]:
    """Let ranks that tell of the next epoch say that they have had all their rows of the one that others are in."""
    going = [state for state in states if state.deal is not None]
    deal = going[0].deal if going else None
    ended = len(states) - len(going)
    told = {lane.rank for state in going for lane in state.lanes}
    if deal is None or not ended or len(told) + ended != deal.world or EVERY_RANK in told:
        return states
    first = going[0]
    if any(state != EpochState(first.epoch + 1) for state in states if state.deal is None):
        return states
    left = len(Remainder(count, first.interruptions))
    for rank in {*range(deal.world)} - told:
        rows = {Lane(rank, worker): Progress(deal.lane_rows(left, rank, worker)) for worker in range(deal.workers)}
        going.append(replace(first, lanes=rows))
    return going


def to_dict(state: EpochState, identity: Identity) -> dict[str, Any]:
    """Return the state as what JSON can hold."""
    told: dict[str, Any] = {
        "version": VERSION,
        "index": identity.index,
        "order": identity.order,
        "count": identity.count,
        "epoch": state.epoch,
    }
    if state.interruptions:
        told["done"] = [_done_to_list(done) for done in state.interruptions]
    if state.begun:
        told["begun"] = _begun_to_list(state.begun)
    if state.deal is not None:
        told["deal"] = _deal_to_list(state.deal)
        told["turn"] = state.turn
        told["lanes"] = _lanes_to_list(state.lanes)
    return told


def from_dict(told: object, identity: Identity) -> EpochState:
    """Read a state; raises StateMismatch for what is none, or of another dataset."""
    if not isinstance(told, Mapping):
        raise StateMismatch(f"{type(told).__name__} is no state", _ADVICE)
    if told.get("version") != VERSION:
        raise StateMismatch(f"version {told.get('version')!r}, not {VERSION}", _ADVICE)
    _check_identity(told, identity)
    try:
        state = state_of(told)
        check_fits(state, identity.count)
    except (KeyError, TypeError, ValueError) as error:
        raise StateMismatch(f"damaged ({error})", _ADVICE) from error
    return state


def state_of(told: Mapping[str, Any]) -> EpochState:
    """Read what to_dict() wrote; raises KeyError, TypeError or ValueError for what it never writes."""
    return EpochState(
        _natural(told["epoch"], MAX_EPOCH),
        tuple(_done_of(done) for done in told.get("done", ())),
        _begun_of(told.get("begun", ())),
        _deal_of(told["deal"]) if "deal" in told else None,
        _natural(told.get("turn", 0)),
        dict(_lane_runs(told.get("lanes", ()))),
    )


def _check_identity(told: Mapping[str, Any], identity: Identity) -> None:
    if told.get("index") != identity.index or told.get("count") != identity.count:
        raise StateMismatch(
            f"it is of an index of {told.get('count')} positions, fingerprint {told.get('index')}; this one has "
            f"{identity.count}, fingerprint {identity.index}",
            "open the index that it was made with, unchanged, with the same filter, columns and max_samples",
        )
    if told.get("order") != identity.order:
        raise StateMismatch(
            f"its order is {told.get('order')}, this dataset's {identity.order}",
            "give the same seed, shuffle, block_samples and ranks_per_node",
        )


def _deal_to_list(deal: Deal) -> list[int | str]:
    told: list[int | str] = [deal.world, deal.workers, deal.chunk, deal.tail]
    return [*told, 1] if deal.keeps_chunks else told


def _deal_of(told: Sequence[Any]) -> Deal:
    world, workers, chunk, tail, *keeps_chunks = told
    if tail not in get_args(Tail) or min(_natural(world), _natural(workers), _natural(chunk, MAX_COUNT)) < 1:
        raise ValueError("deal")
    if keeps_chunks not in ([], [1]):
        raise ValueError(f"deal of {keeps_chunks}")
    if world * workers > _MOST_LANES:
        raise ValueError(f"deal of {world} ranks of {workers} workers")
    return Deal(world, workers, chunk, tail, bool(keeps_chunks))


def _begun_to_list(begun: Sequence[tuple[int, int]]) -> list[int]:
    """Return [how far it is from the row before, samples handed out], one after the other."""
    told: list[int] = []
    last = 0
    for position, outputs in sorted(begun):
        told += [position - last, outputs]
        last = position
    return told


def _begun_of(told: Sequence[Any]) -> tuple[tuple[int, int], ...]:
    steps = [_natural(step) for step in told[::2]]
    return tuple(zip(accumulate(steps), map(_natural, told[1::2]), strict=True))


def _done_to_list(done: Done) -> list[Any]:
    if done.runs:
        return [done.start, list(done.runs)]
    if not done.rows:
        return [done.start]
    runs = [[rows, len(list(same))] for rows, same in groupby(done.rows)]
    return [done.start, _deal_to_list(done.deal), runs]


def _done_of(told: Sequence[Any]) -> Done:
    if len(told) == 1:
        return Done(_natural(told[0]))
    if len(told) == 2:  # noqa: PLR2004 - [start, lengths of runs]
        return _done_of_runs(_natural(told[0]), [_natural(length) for length in told[1]])
    start, deal_told, runs = told
    deal = _deal_of(deal_told)
    rows = tuple(_natural(rows) for rows, times in runs for _ in range(min(_natural(times), deal.world * deal.workers)))
    if len(rows) != deal.world * deal.workers:
        raise ValueError("done")
    return Done(_natural(start), deal, rows)


def _done_of_runs(start: int, runs: Sequence[int]) -> Done:
    if not 0 < len(runs) <= MOST_RUNS or len(runs) % 2 or min(runs) < 1 or sum(runs[::2]) > MOST_HOLES:
        raise ValueError("runs")
    return Done(start, runs=tuple(runs))


def _lanes_to_list(lanes: Mapping[Lane, Progress]) -> list[list[int]]:
    """Return [rank, first worker, workers, rows, outputs, missing] of neighbours that have come as far."""
    runs: list[list[int]] = []
    for (rank, worker), progress in sorted(lanes.items()):
        last = runs[-1] if runs else None
        if last is not None and last[0] == rank and last[1] + last[2] == worker and last[3:] == [*progress]:
            last[2] += 1
        else:
            runs.append([rank, worker, 1, *progress])
    return runs


def _lane_runs(told: Sequence[Any]) -> list[tuple[Lane, Progress]]:
    lanes: list[tuple[Lane, Progress]] = []
    for rank, worker, times, rows, outputs, missing in told:
        if not isinstance(rank, int) or rank < EVERY_RANK or _natural(times) > 100_000:  # noqa: PLR2004 - no list of that size is a state
            raise ValueError("lanes")
        done = Progress(_natural(rows), _natural(outputs), _natural(missing))
        lanes += [(Lane(rank, _natural(worker) + step), done) for step in range(times)]
    return lanes


def _natural(value: object, most: int | None = None) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0 or (most is not None and value > most):
        raise ValueError(f"{value!r} is no count")
    return value
