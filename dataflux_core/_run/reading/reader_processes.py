"""Read with several processes."""

from __future__ import annotations

import logging
import os
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from dataflux_core._plan.groups import Group, group_for_compose, share_groups
from dataflux_core._run.processes import HelperProcess, send, spare_cores
from dataflux_core._run.reading.memory import held_bytes
from dataflux_core._run.reading.messages import (
    Finished,
    FromReader,
    GroupsRead,
    RuleMessage,
    Share,
    Token,
    TokenWanted,
    how_of,
    rule_message,
)
from dataflux_core._run.reading.reader import read_objects

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from dataflux_core._plan.columns import ObjectColumns
    from dataflux_core._run.access import Access
    from dataflux_core._run.reading.direct import Part
    from dataflux_core._run.reading.options import ReadOptions
    from dataflux_core._run.reading.stats import DownloadStats

log = logging.getLogger(__name__)
_MODULE = "dataflux_core._run.reading.reader_process"
# A process takes about 80 ms of CPU to start: as much as reading this much costs.
_MIN_REQUESTS = 2000
_MIN_BYTES = 64 * 1024**2
_decoder = msgspec.msgpack.Decoder(FromReader)


@dataclass(slots=True, eq=False)
class _Child:
    """A reader process with the objects that it still owes."""

    helper: HelperProcess
    first: int  # position of its share's first object
    owes: bytearray  # by position within the share: 1 where it has not been delivered
    heard_s: float = field(default_factory=time.monotonic)


def read_in_processes(
    access: Access, bucket: str, objects: ObjectColumns, options: ReadOptions, stats: DownloadStats
) -> Generator[tuple[int, Part], None, None]:
    """Yield (position, bytes) of every object, read by up to `max_processes` processes, one per core at most.

    What a process that dies has not delivered is read here: the result is exact or an error. Few objects, one core,
    or a daemonic process, which may have no children, are read in this process.
    """
    max_bytes = 0 if options.strategy == "direct" else options.max_composite_bytes
    groups = list(group_for_compose(objects.sizes, max_bytes=max_bytes))
    count = _worthwhile(groups, options.max_processes)
    if count < 2:  # noqa: PLR2004 - one process is this one
        yield from read_objects(access, bucket, objects, options, stats)
        return
    crew = _Crew(access, bucket, objects, options, stats)
    try:
        crew.start(share_groups(groups, shares=count))
        yield from crew.receive()
    finally:
        crew.close()
    if crew.lost:
        for at, content in read_objects(access, bucket, objects.picked(crew.lost), options, stats):
            yield crew.lost[at], content


def _worthwhile(groups: Sequence[Group], max_processes: int) -> int:
    cores = spare_cores() + 1
    work = max(len(groups) // _MIN_REQUESTS, sum(group.size for group in groups) // _MIN_BYTES)
    return min(max_processes, cores, work) if cores > 1 else 1


class _Crew:
    """The reader processes of one call."""

    def __init__(
        self, access: Access, bucket: str, objects: ObjectColumns, options: ReadOptions, stats: DownloadStats
    ) -> None:
        self.lost: list[int] = []  # positions
        self._access = access
        self._bucket = bucket
        self._objects = objects
        self._options = options
        self._stats = stats
        self._children: list[_Child] = []

    def start(self, shares: Sequence[Sequence[Group]]) -> None:
        """Start a process for each share."""
        held = (self._options.max_held_bytes or held_bytes()) // len(shares)
        options = replace(self._options, max_requests=max(1, self._options.max_requests // len(shares)))
        options = replace(options, max_held_bytes=max(1, held))
        rule = rule_message(options.rule)
        for groups in shares:
            first, stop = groups[0].start, groups[-1].stop
            child = _Child(HelperProcess(_MODULE), first, bytearray(b"\1" * (stop - first)))
            self._children.append(child)
            with suppress(OSError):  # it died already, as `receive` will see
                send(child.helper.connection, self._share(first, stop, options, rule))

    def receive(self) -> Generator[tuple[int, Part], None, None]:
        """Yield what arrives until each process has delivered its share, or died.

        One that is silent for longer than a service may be, because somebody stopped it, is killed: nobody may ever
        let it go on. Silence alone tells nothing, since one large object takes as long as it takes.
        """
        endpoint = self._access.endpoint
        silence_s = endpoint.connect_timeout_s + 2 * endpoint.stall_timeout_s
        while self._children:
            by_connection = {child.helper.connection: child for child in self._children}
            for ready in wait(list(by_connection), silence_s / 4):
                child = by_connection[ready]  # type: ignore[index]
                child.heard_s = time.monotonic()
                yield from self._take(child)
            for child in list(by_connection.values()):
                if time.monotonic() - child.heard_s > silence_s and _is_stopped(child.helper.pid):
                    child.helper.kill()  # `_take` will see its end
                    child.heard_s = time.monotonic()

    def close(self) -> None:
        """End every process; they clean up after themselves at the same time."""
        for child in self._children:
            child.helper.connection.close()
        with ExitStack() as closing:  # each, also where one is interrupted
            for child in self._children:
                closing.callback(child.helper.close)
        self._children.clear()

    def _share(self, start: int, stop: int, options: ReadOptions, rule: RuleMessage) -> Share:
        objects = self._objects.rows(start, stop)
        return Share(
            self._access.endpoint,
            self._access.authorization.header(),
            self._bucket,
            list(objects.names),
            list(objects.sizes),
            None if objects.generations is None else list(objects.generations),
            None if objects.checksums is None else list(objects.checksums),
            None if objects.encodings is None else list(objects.encodings),
            how_of(options, rule),
        )

    def _take(self, child: _Child) -> Generator[tuple[int, Part], None, None]:
        """Act on one message; raises the error that it reports."""
        # What a process reports may be an OSError too, so only the socket's own are taken for its death.
        try:
            message = _decoder.decode(child.helper.connection.recv_bytes())
            arrived = _receive_groups(child, message) if isinstance(message, GroupsRead) else []
        except (EOFError, OSError):
            self._lose(child)
            return
        if isinstance(message, GroupsRead):
            for position, content in arrived:
                child.owes[position] = 0
                yield child.first + position, content
        elif isinstance(message, TokenWanted):
            self._answer(child, message)
        elif isinstance(message, Finished):
            self._stats.add(message.stats)
            self._dismiss(child)
        else:
            raise message.as_error()

    def _answer(self, child: _Child, wanted: TokenWanted) -> None:
        authorization = self._access.authorization
        if wanted.stale:
            authorization.renew(wanted.stale)
        token = Token(authorization.header())
        try:
            send(child.helper.connection, token)
        except OSError:
            self._lose(child)

    def _dismiss(self, child: _Child) -> None:
        child.helper.close()
        self._children.remove(child)
        self.lost.extend(child.first + position for position, owed in enumerate(child.owes) if owed)

    def _lose(self, child: _Child) -> None:
        log.warning(
            "read.process_lost pid=%d objects=%d; they are read by the process that waits for them",
            child.helper.pid,
            sum(child.owes),
        )
        self._dismiss(child)


def _is_stopped(pid: int) -> bool:
    """Tell whether a signal has stopped the process; where there is no /proc, nobody knows."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("latin-1").rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def _receive_groups(child: _Child, message: GroupsRead) -> list[tuple[int, Part]]:
    """Receive the bytes that follow `message`: (position within the share, bytes). Raises EOFError or OSError."""
    arrived: list[tuple[int, Part]] = []
    with socket.socket(fileno=os.dup(child.helper.connection.fileno())) as incoming:
        for start, sizes in zip(message.starts, message.sizes, strict=True):
            for position, size in enumerate(sizes, start):
                told = message.errors.get(position)
                # Each object's bytes straight into a value of its own.
                arrived.append((position, _receive_exactly(incoming, size) if told is None else told.as_part()))
    return arrived


def _receive_exactly(incoming: socket.socket, size: int) -> bytes:
    """Receive `size` bytes; raises EOFError where they end early."""
    content = incoming.recv(size, socket.MSG_WAITALL) if size else b""
    while len(content) < size:
        more = incoming.recv(size - len(content), socket.MSG_WAITALL)
        if not more:
            raise EOFError
        content += more
    return content
