"""Read groups of objects through a temporary composite of each group."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import google_crc32c
import msgspec

from dataflux_core._plan.retry import RETRIED_STATUSES
from dataflux_core._plan.split import split_pieces
from dataflux_core._run.reading.direct import GroupBytes, Part, changed_checksum
from dataflux_core._wire.encoding import GZIP
from dataflux_core._wire.message import error_message
from dataflux_core._wire.objects import (
    Stored,
    compose_request,
    crc32c_header,
    crc32c_number,
    media_request,
    read_stored,
    stored_request,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dataflux_core._plan.groups import Group
    from dataflux_core._plan.strategy import Tempo
    from dataflux_core._run.reading.deletions import Deletions
    from dataflux_core._run.reading.direct import DirectReads, Source
    from dataflux_core._run.reading.stats import DownloadStats
    from dataflux_core._run.reading.temporaries import Temporaries
    from dataflux_core._run.service import Service
    from dataflux_core._wire.message import Answer

log = logging.getLogger(__name__)
_PRECONDITION_FAILED = 412
_NOT_MADE = Stored(0, 0)
_UNAUTHORIZED = 401  # what else is refused is read directly, which names the object to blame
_COMPOSES_NEVER = frozenset({403, 405})  # what was refused to one group is refused to all
_MAX_IN_A_ROW = 4  # refusals that would pass: then it is too busy to be asked


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where every composite is entered: before it is made, when it is, when it has served."""

    temporaries: Temporaries
    deletions: Deletions
    stats: DownloadStats
    tempo: Tempo


@dataclass(slots=True, eq=False)
class _Composite:
    """One temporary on its way."""

    group: Group
    name: str
    began_s: float
    stored: Stored = _NOT_MADE
    tries: int = 0


class ComposedReads:
    """Groups in flight, each from compose over read to split; what cannot be composed is read directly."""

    def __init__(
        self,
        service: Service,
        source: Source,
        ledger: Ledger,
        direct: DirectReads,
        finish: Callable[[GroupBytes], None],
    ) -> None:
        self.refusal = ""  # why the service composes nothing here
        self.composing = 0  # composes without an answer
        self.pending = 0  # objects in composites that have not arrived
        self.has_arrived = False  # a composite
        self.patience_s = math.inf  # for one that is refused: then its objects are read directly
        self._in_a_row = 0  # composes refused
        self._service = service
        self._source = source
        self._temporaries, self._deletions, self._stats = ledger.temporaries, ledger.deletions, ledger.stats
        self._direct = direct
        self._finish = finish
        self._tempo = ledger.tempo

    def start(self, group: Group) -> None:
        """Compose `group`, having written the composite down first."""
        objects = self._source.objects
        composite = _Composite(group, self._temporaries.plan(), time.monotonic())
        sources = [(objects.names[at], objects.generation(at)) for at in range(group.start, group.stop)]
        self._stats.asked("compose")
        self.composing += 1
        self.pending += group.sources
        request = compose_request(self._source.bucket, composite.name, sources)
        self._service.submit(request, (self._on_compose, composite), patience_s=self.patience_s)

    def _on_compose(self, composite: _Composite, answer: Answer) -> None:
        self.composing -= 1
        if answer.ok:
            self._in_a_row = 0
            self._tempo.note_compose(time.monotonic() - composite.began_s)
            self._on_stored(composite, answer)
        elif answer.status == _PRECONDITION_FAILED:
            # Nobody else knows the name: an earlier try has made it, whose answer was lost.
            self._stats.asked("stat")
            self._service.submit(stored_request(self._source.bucket, composite.name), (self._on_stored, composite))
        else:
            self._on_refusal(composite, answer)

    def note_all(self, answers: Iterable[tuple[Any, Answer]]) -> None:
        """Write down what became of composes whose groups nobody waits for any more."""
        for (handle, composite), answer in answers:
            if handle == self._on_compose:
                self.composing -= 1
                if answer.ok:
                    self._temporaries.made(composite.name, read_stored(answer).generation)

    def _on_stored(self, composite: _Composite, answer: Answer) -> None:
        if not answer.ok:
            self._on_refusal(composite, answer)
            return
        try:
            composite.stored = stored = read_stored(answer)
        except msgspec.DecodeError:  # a proxy's own answer, or none of ours to understand
            self._read_directly(composite)
            return
        self._temporaries.made(composite.name, stored.generation)
        log.debug("read.composed name=%s objects=%d bytes=%d", composite.name, composite.group.sources, stored.size)
        if stored.size == composite.group.size:
            self._ask(composite)
        else:
            self._read_directly(composite)  # the object that changed is found, by name

    def _on_refusal(self, composite: _Composite, answer: Answer) -> None:
        if answer.status == _UNAUTHORIZED:
            raise self._source.error(answer, composite.name)
        if self._refuses_all(answer):
            self.refusal = error_message(answer)
        self._read_directly(composite)

    def _refuses_all(self, answer: Answer) -> bool:
        """Tell whether other groups would be refused as well; what passes is waited for by the retries."""
        if not answer.status or answer.status in RETRIED_STATUSES:
            self._in_a_row += 1
            return self.patience_s == math.inf or self._in_a_row >= _MAX_IN_A_ROW
        return answer.status in _COMPOSES_NEVER or answer.status >= 500  # noqa: PLR2004 - HTTP's own class

    def _ask(self, composite: _Composite) -> None:
        composite.tries += 1
        self._stats.asked("read")
        request = media_request(self._source.bucket, composite.name, composite.stored.generation)
        self._service.submit(request, (self._on_media, composite))

    def _on_media(self, composite: _Composite, answer: Answer) -> None:
        if not answer.ok:
            if answer.status == _UNAUTHORIZED:
                raise self._source.error(answer, composite.name)
            self._read_directly(composite)
            return
        pieces = [answer.content] if isinstance(answer.content, bytes) else answer.content
        expected = composite.stored.crc32c or crc32c_header(answer)
        size = sum(map(len, pieces))
        if size == composite.group.size and (not expected or _checksum(pieces) == crc32c_number(expected)):
            self._on_whole(composite, pieces)
        elif composite.tries < self._source.max_tries:
            self._stats.retries += 1
            self._ask(composite)
        else:
            self._read_directly(composite)  # the object whose bytes suffer is found, by name

    def _on_whole(self, composite: _Composite, pieces: Sequence[bytes]) -> None:
        """Split what has come; what disagrees with its listing is read again alone."""
        group, objects = composite.group, self._source.objects
        self._deletions.add(composite.name, composite.stored.generation)
        self._stats.received_bytes += group.size
        self._stats.groups_composed += 1
        self.pending -= group.sources
        self.has_arrived = True
        stored = split_pieces(pieces, objects.sizes[group.start : group.stop])
        changed = self._changed(group, stored)
        parts = self._unpacked(group, stored, changed)
        if changed:
            self._direct.complete(group, parts, changed)
        else:
            self._finish(GroupBytes(group, parts))

    def _changed(self, group: Group, stored: Sequence[bytes]) -> list[int]:
        """Return the positions of objects whose bytes have another crc32c than the listed one."""
        objects = self._source.objects
        if objects.checksums is None:
            return []
        checksums = enumerate(map(google_crc32c.value, stored), group.start)
        return [position for position, found in checksums if changed_checksum(objects, position, found) is not None]

    def _unpacked(self, group: Group, stored: list[bytes], changed: Sequence[int]) -> list[Part]:
        source = self._source
        encodings = source.objects.encodings
        if not source.decompress or encodings is None:
            return list(stored)
        return [
            source.unpack(position, content) if encodings[position] == GZIP and position not in changed else content
            for position, content in enumerate(stored, group.start)
        ]

    def _read_directly(self, composite: _Composite) -> None:
        # Deleted even where it was refused: an earlier try, whose answer was lost, may have made it.
        self._deletions.add(composite.name, composite.stored.generation)
        self.pending -= composite.group.sources
        self._direct.start(composite.group)


def _checksum(pieces: Sequence[bytes]) -> int:
    checksum = 0
    for piece in pieces:
        checksum = google_crc32c.extend(checksum, piece)
    return checksum
