"""Refuse a state whose numbers are beyond what there is to hand out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core._plan.order.permutation import MAX_COUNT
from dataflux_core._plan.order.remainder import Remainder

if TYPE_CHECKING:
    from dataflux_core._plan.order.deal import Deal
    from dataflux_core._plan.order.state import EpochState, Lane, Progress


def check_fits(state: EpochState, count: int) -> None:
    """Raise ValueError for rows that an epoch of `count` positions has not: what follows would end too soon, unseen."""
    left = len(Remainder(count, state.interruptions))
    for position, _ in state.begun:
        if position >= count:
            raise ValueError(f"a row left midway at {position} of {count}")
    if state.deal is None:
        return
    if not state.lanes:
        raise ValueError("a deal to no worker")
    if state.turn >= state.deal.workers:
        raise ValueError(f"the turn of worker {state.turn} of {state.deal.workers}")
    for lane, progress in state.lanes.items():
        _check_lane(state.deal, lane, progress, left)


def _check_lane(deal: Deal, lane: Lane, progress: Progress, left: int) -> None:
    if lane.rank >= deal.world or lane.worker >= deal.workers:
        raise ValueError(f"worker {lane.worker} of rank {lane.rank}, dealt to {deal.workers} of {deal.world} ranks")
    most = deal.lane_rows(left, max(0, lane.rank), lane.worker)  # of every rank's, the first has most
    if progress.rows > most or progress.missing > most:
        raise ValueError(f"{progress.rows} rows, {progress.missing} of them bad, of a worker that was dealt {most}")
    if progress.outputs > (MAX_COUNT if progress.rows < most else 0):
        raise ValueError(f"{progress.outputs} samples of row {progress.rows}, of {most}")
