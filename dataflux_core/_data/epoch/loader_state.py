"""Find a dataset's states in what is given to be gone on from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataflux_core.errors import StateMismatch

_OWN_KEYS = {"version", "index", "order", "epoch"}
_MOST_DEPTH = 12


def states_within(told: object) -> list[Mapping[str, Any]]:
    """Return the states: one, a list's, or those of the workers in the state of torchdata's StatefulDataLoader.

    Raises StateMismatch where there is none.
    """
    several = told if isinstance(told, Sequence) and not isinstance(told, str | bytes) else [told]
    found = [state for each in several for state in _found(each, 0)]
    if not found:
        advice = "give what state_dict() returned, a list of the states of all ranks, or a StatefulDataLoader's state"
        raise StateMismatch(f"there is none in {type(told).__name__}", advice)
    return found


def _found(told: object, depth: int) -> list[Mapping[str, Any]]:
    if not isinstance(told, Mapping) or depth > _MOST_DEPTH:
        return []
    if told.keys() >= _OWN_KEYS:
        return [told]
    if told.get("_steps_since_snapshot"):
        raise StateMismatch(
            f"its loader has gone {told['_steps_since_snapshot']} batches beyond it",
            "make the StatefulDataLoader with snapshot_every_n_steps=1",
        )
    return [state for value in told.values() for state in _found(value, depth + 1)]
