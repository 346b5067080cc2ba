"""Tell errors of single objects from what concerns all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core.errors import AccessDenied, EndpointUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataflux_core._run.reading.direct import Part

WEB = "web"  # all servers that are not of a bucket
_OF_A_BUCKET = (AccessDenied, EndpointUnreachable)


class Doubts:
    """What may be refused to all is held back until one answer shows that it is not.

    A bucket that has given anything else, even a 404, can be reached with these credentials: what is refused then is
    refused to one object. Where nothing else comes, the error is raised.
    """

    def __init__(self, proven: set[str]) -> None:
        self._proven = proven  # sources; shared by all reads of a process
        self._held: dict[str, list[tuple[int, Part]]] = {}

    def sift(self, source: str, position: int, part: Part) -> Iterable[tuple[int, Part]]:
        """Return what may be given now: `part` with what was held back, or nothing."""
        if source in self._proven:
            return ((position, part),)
        if isinstance(part, _OF_A_BUCKET):
            self._held.setdefault(source, []).append((position, part))
            return ()
        self._proven.add(source)
        return (*self._held.pop(source, ()), (position, part))

    def settle_web(self) -> Iterable[tuple[int, Part]]:
        """Return what is still in doubt when all has come; raise it where this process has reached nothing at all.

        One server that is down says nothing of others, wherever its rows stand.
        """
        of_servers = self._held.pop(WEB, []) if self._proven else []
        self.settle()
        return of_servers

    def settle(self) -> None:
        """Raise what is still in doubt when all has come."""
        for held in self._held.values():
            _, error = held[0]
            if isinstance(error, Exception):
                raise error
