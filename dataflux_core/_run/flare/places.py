"""Decide at which of its places a chunk is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflux_core.errors import EndpointUnreachable

if TYPE_CHECKING:
    from dataflux_core._plan.lone_reads import LoneReads
    from dataflux_core._plan.mirrors import HostBook
    from dataflux_core._run.flare.errands import Errand, Flight


class Places:
    """Chooses by what all reads have learned of the hosts, then by what one read has come to."""

    def __init__(self, book: HostBook, lone: LoneReads) -> None:
        self._book = book
        self._lone = lone

    def place_for(self, errand: Errand, now_s: float) -> int | None:
        """Return where to ask; None for a part that has to wait until there is room for all of its chunk."""
        places = errand.untried()
        if errand.ask.span is not None and (errand.unranged or self._lone.hosts):
            ranged = [place for place in places if not self.may_send_all(errand, place)]
            places = ranged or [place for place in places if self._has_room(errand, place)]
            if not places:
                return None
        of_rest = self._place_of_rest(errand, places, now_s)
        if of_rest is not None:
            return of_rest
        return places[self._book.choose([errand.hosts[place] for place in places], now_s, turn=errand.ask.turn)]

    def others(self, flight: Flight, now_s: float) -> list[int]:
        """Return where else, on other hosts that are well, a read could go."""
        errand = flight.errand
        if len(errand.hosts) == 1:
            return []
        places = [place for place in errand.untried() if errand.hosts[place] != flight.host]
        well = [place for place in places if self._book.is_well(errand.hosts[place], now_s)]
        return [place for place in well if not self.may_send_all(errand, place)]

    def may_send_all(self, errand: Errand, place: int) -> bool:
        """Tell whether a part may come as the whole chunk: this one was about to, or one of the same host."""
        return errand.ask.span is not None and (place in errand.unranged or errand.hosts[place] in self._lone.hosts)

    def is_unreached(self, errand: Errand) -> bool:
        """Tell whether nothing shows that the curable hosts exist."""
        reached = [self._book.has_served(errand.hosts[place]) for place in errand.curable]
        refused = [isinstance(errand.errors[place], EndpointUnreachable) for place in errand.curable]
        return all(refused) and not any(reached)

    def _has_room(self, errand: Errand, place: int) -> bool:
        return self._lone.has_room(errand.hosts[place], errand.lone_bytes)

    def _place_of_rest(self, errand: Errand, places: list[int], now_s: float) -> int | None:
        """Return where to go on with what has come: behind a pause too, once every place has had its turn."""
        kept = errand.beginning
        if kept is None or kept.place not in places:
            return None
        is_well = self._book.is_well(errand.hosts[kept.place], now_s)
        return kept.place if is_well or errand.errors.keys() >= set(places) else None
