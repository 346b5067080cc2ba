"""Keep the pages of a listing in a file, so that it can go on after an interruption."""

from __future__ import annotations

import fcntl
import logging
import os
import stat
from bisect import bisect_right
from contextlib import contextmanager
from datetime import datetime, timezone
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from dataflux_core._wire.checkpoint import (
    Asked,
    Covered,
    NotACheckpoint,
    frame_bytes,
    is_restart,
    read_covered,
    read_frames,
    read_header,
    read_page,
    write_header,
    write_record,
    write_restart,
)
from dataflux_core.errors import ResumeFileUnusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from typing_extensions import Self

    from dataflux_core._plan.listing import KeyRange
    from dataflux_core._wire.page import Page

log = logging.getLogger(__name__)

_OTHER_FILE = "nothing in it was touched, give another file"
_NO_ROOM = "make room, then list again: what it holds is kept"


class Checkpoint:
    """The file `path` with the pages that arrived for what was `asked`, from entering to leaving.

    Entering takes a lock and reads what is there. Leaving without an error removes the file: what was asked for is
    complete, so the next run is to ask anew. Records are not forced to disk one by one: what a power loss takes is
    torn, hence recognised, hence listed again.
    """

    def __init__(self, path: str | os.PathLike[str], asked: Asked) -> None:
        self.covered: list[Covered] = []  # by an earlier run
        self.written = ""  # the time at which an earlier run last wrote, as UTC
        self._path = Path(path).resolve()  # a link's target is written, so it is what will be removed
        self._asked = asked
        self._owner_id = os.getpid()
        self.kept_pages = 0
        self._anew: dict[str, int] = {}  # names whose rows in so many first records do not count: they came again

    def __enter__(self) -> Self:
        self._file = self._locked()
        try:
            with self._as_our_error("give a file that can be read as well as written"):
                self._read()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A fork of the owner only lets go: the file with its lock stays the owner's.
        if (kind is None or not self.kept_pages) and os.getpid() == self._owner_id and self._is_in_place(self._file):
            self._path.unlink(missing_ok=True)  # still locked: nobody else has begun to use it
        self._file.close()

    @property
    def key_ranges(self) -> list[KeyRange]:
        return [covered.key_range for covered in self.covered]

    def pages(self, left: Iterable[KeyRange]) -> Iterator[tuple[Covered, Page]]:
        """Yield the pages kept before, without rows that the `left` ranges bring again; raises ResumeFileUnusable."""
        ordered = sorted(left, key=lambda key_range: key_range.start)
        starts = [key_range.start for key_range in ordered]
        self._file.seek(self._begin)
        payloads = read_frames(self._file)
        for place, covered in enumerate(self.covered):
            with self._as_our_error("give another file"):
                payload = next(payloads, None)
            if payload is None:
                raise ResumeFileUnusable(str(self._path), "it was changed meanwhile", "delete it to begin anew")
            page = read_page(payload)
            if covered.end is not None:
                behind = bisect_right(starts, covered.end)
                if behind and covered.end in ordered[behind - 1]:
                    page = self._without_name(covered.end, page, place)
                elif place < self._anew.get(covered.end, 0):
                    page = page.between(None, covered.end)
            yield covered, page

    def append(self, parts: Iterable[tuple[KeyRange, Page]], left_out: int) -> None:
        """Keep the parts of a page by one write, each with the range that it finishes; raises ResumeFileUnusable."""
        records: list[bytes] = []
        for key_range, page in parts:
            if page.count or key_range.start != key_range.end:
                covered = Covered(key_range.start, key_range.end, 0 if records else left_out)
                records.append(write_record(covered, page))
        with self._as_our_error(_NO_ROOM):
            self._write(b"".join(records))
        self.kept_pages += len(records)  # which, is not kept in mind: there may be as many as folders

    def _without_name(self, name: str, page: Page, place: int) -> Page:
        """Leave out the rows of a name that the page ends amid, since its range goes on with all of them.

        That is written down: in the next run the range may lie beyond the name, so that nobody could tell.
        """
        kept = page.between(None, name)
        if kept.count < page.count and place >= self._anew.get(name, 0):
            self._anew[name] = len(self.covered)
            with self._as_our_error(_NO_ROOM):
                self._write(write_restart(name))
        return kept

    def _locked(self) -> FileIO:
        """Open the file, made where there is none, for this process alone."""
        while True:
            with self._as_our_error("give a file that can be read as well as written"):
                file = FileIO(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+")
            try:
                self._lock(file)
                if self._is_in_place(file):  # another listing may just have ended with it
                    return file
            except BaseException:
                file.close()
                raise
            file.close()

    def _lock(self, file: FileIO) -> None:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ResumeFileUnusable(str(self._path), "it is no regular file", _OTHER_FILE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ResumeFileUnusable(
                str(self._path), "another listing is writing it", "wait for that one, or give another file"
            ) from error
        except OSError as error:
            raise ResumeFileUnusable(
                str(self._path), f"it cannot be locked ({error.strerror})", "give a file on a disk of this machine"
            ) from error

    def _is_in_place(self, file: FileIO) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def _read(self) -> None:
        """Learn what the file covers; what is torn at its end is cut off."""
        try:
            asked = read_header(self._file)
            if asked is None:
                self._begin_anew()
                return
            self._check(asked)
            written_s = os.fstat(self._file.fileno()).st_mtime
            self.written = datetime.fromtimestamp(written_s, timezone.utc).isoformat(" ", "seconds")
            self._begin = self._end = self._file.tell()
            for payload in read_frames(self._file):
                covered = read_covered(payload)
                if is_restart(covered, payload):
                    self._anew[covered.start] = len(self.covered)
                self.covered.append(covered)
                self._end += frame_bytes(payload)
            self.kept_pages = len(self.covered)
        except NotACheckpoint as error:
            raise ResumeFileUnusable(str(self._path), str(error), _OTHER_FILE) from error
        torn_bytes = os.fstat(self._file.fileno()).st_size - self._end
        if torn_bytes:
            log.info("list.checkpoint_torn path=%s dropped_bytes=%d", self._path, torn_bytes)
            self._file.truncate(self._end)

    def _begin_anew(self) -> None:
        self._file.truncate(0)
        self._end = 0
        self._write(write_header(self._asked))
        os.fsync(self._file.fileno())  # once: whatever happens, the file can be told to be ours
        self._begin = self._end

    def _check(self, asked: Asked) -> None:
        theirs, ours = asked.differences(self._asked), self._asked.differences(asked)
        if theirs:
            raise ResumeFileUnusable(
                str(self._path),
                f"it holds a listing with {theirs}, not {ours}",
                "give another file, or delete it to begin anew",
            )

    def _write(self, record: bytes) -> None:
        rest = memoryview(record)
        while rest:
            written = os.pwrite(self._file.fileno(), rest, self._end)
            self._end += written
            rest = rest[written:]

    @contextmanager
    def _as_our_error(self, advice: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ResumeFileUnusable(str(self._path), f"it cannot be used ({error.strerror})", advice) from error
