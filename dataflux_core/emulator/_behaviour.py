"""Decide how long an answer takes or what goes wrong with it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataflux_core.emulator._config import Fault, Latency, Settings


def wait_s(latency: Latency, operation: str, *, objects: int, payload: int, folders: int = 0) -> float:
    """Give the time an operation takes, without jitter: `objects` listed, `folders` walked, `payload` bytes moved."""
    if operation == "list":
        return latency.list_s + latency.list_object_s * objects + latency.list_folder_s * folders
    if operation == "read":
        return latency.read_s + latency.read_byte_s * payload
    if operation == "compose":
        return latency.compose_s
    if operation == "delete":
        return latency.delete_s
    if operation in {"insert", "rewrite", "patch"}:
        return latency.write_s + latency.write_byte_s * payload
    return latency.get_s


def jittered(seconds: float, jitter: float, roll: float) -> float:
    """Vary a wait by a share of itself: `roll` 0 gives the shortest, 1 the longest."""
    return max(seconds * (1 + jitter * (2 * roll - 1)), 0.0)


class Behaviour:
    """The draws of one run: the same seed with the same requests gives the same faults."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # Waits draw from another generator, so that turning jitter on does not move the faults.
        self._faults = Random(settings.seed)  # noqa: S311 - chance, not secrecy
        self._waits = Random(settings.seed + 1)  # noqa: S311 - as above
        self._left = [fault.times for fault in settings.faults]
        self._waits_at_all = any(
            getattr(settings.latency, name) for name in settings.latency.__slots__ if name != "jitter"
        )

    def fault(self, operation: str, subject: str) -> Fault | None:
        """Draw what goes wrong with a request, if anything does; the first fault that hits is the one."""
        for at, fault in enumerate(self.settings.faults):
            left = self._left[at]
            if fault.operation not in {operation, "any"} or left == 0 or fault.match not in subject:
                continue
            if fault.probability < 1 and self._faults.random() >= fault.probability:
                continue
            if left is not None:
                self._left[at] = left - 1
            return fault
        return None

    def wait_s(self, operation: str, objects: int, payload: int, folders: int = 0) -> float:
        """Draw how long an answer takes, in seconds."""
        if not self._waits_at_all:
            return 0.0
        latency = self.settings.latency
        seconds = wait_s(latency, operation, objects=objects, payload=payload, folders=folders)
        return jittered(seconds, latency.jitter, self._waits.random()) if latency.jitter else seconds
