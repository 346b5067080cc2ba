"""Let another thread end a read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core._run.reading.bell import Bell
from dataflux_core._run.reading.reader import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable


class StopSignal:
    """Given by `stop` from any thread; the read that waits with its bell ends with Stopped."""

    def __init__(self) -> None:
        self.bell = Bell()
        self._is_given = False
        self._listener: Callable[[], None] | None = None

    def tell(self, listener: Callable[[], None]) -> None:
        """Call `listener`, in the thread that stops, when the signal is given; at once where it has been."""
        self._listener = listener
        if self._is_given:
            listener()

    def stop(self) -> None:
        """Let what hears it raise Stopped."""
        self._is_given = True
        if self._listener is not None:
            self._listener()
        self.bell.ring()

    def check(self) -> None:
        """Raise Stopped where that is wanted; let the bell be quiet."""
        self.bell.hush()
        if self._is_given:
            raise Stopped

    def close(self) -> None:
        """Close the bell, in a forked child its copy."""
        self.bell.close()
