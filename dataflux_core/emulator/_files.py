"""Answer requests for the files below a directory, as a plain web server does."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, suppress
from email.utils import formatdate
from mmap import ACCESS_READ, ALLOCATIONGRANULARITY, mmap
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from dataflux_core.emulator._app import Outcome
from dataflux_core.emulator._counters import Counters
from dataflux_core.emulator._errors import ApiError
from dataflux_core.emulator._http import Reply
from dataflux_core.emulator._media import byte_range

if TYPE_CHECKING:
    from typing_extensions import Self

    from dataflux_core.emulator._http import Pieces, Request

OK, PARTIAL, NOT_MODIFIED, BAD_REQUEST, NOT_FOUND, NOT_ALLOWED, CHANGED = 200, 206, 304, 400, 404, 405, 412
UNSATISFIABLE, FAILED = 416, 500
FIRST_ERROR = 400
# No link leads out of the directory, none within it either; a pipe without a writer must not be waited for.
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_MAPPED_FROM_BYTES = 256 * 1024  # less is copied: that is quicker, and no harm is done where the file shrinks
_TYPES = {
    b"yaml": b"application/yaml",
    b"yml": b"application/yaml",
    b"json": b"application/json",
    b"html": b"text/html; charset=UTF-8",
    b"txt": b"text/plain; charset=UTF-8",
    b"jpg": b"image/jpeg",
    b"jpeg": b"image/jpeg",
    b"png": b"image/png",
}
_OPERATION = "read"


class FilesApp:
    """The files below a directory: GET, HEAD, ranges, entity tags; hidden files, links, directories are not there."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.counters = Counters()
        self._root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def begin(self, request: Request) -> Outcome:
        """Answer at once; `end` follows when the answer is sent, or cannot be."""
        self.counters.begin(_OPERATION)
        try:
            reply = self._reply(request)
        except ApiError as error:
            reply = _refused(error)
        except (OSError, ValueError) as error:  # of a disk; of a mapping of a file that has just shrunk
            reply = _refused(ApiError(FAILED, f"The file cannot be read: {error}"))
        if reply.status >= FIRST_ERROR:
            self.counters.error(str(reply.status))
        return Outcome(reply, operation=_OPERATION)

    def end(self, outcome: Outcome) -> None:
        """Count a request as in flight no more."""
        self.counters.end(outcome.operation)

    def _reply(self, request: Request) -> Reply:
        if not request.method:
            raise ApiError(BAD_REQUEST, "Invalid HTTP request received.")
        if request.method not in {"GET", "HEAD"}:
            raise ApiError(NOT_ALLOWED, f"{request.method} is not allowed here.")
        parts = _parts(request.raw_path)
        with ExitStack() as opened:
            descriptor = self._open(parts, opened)
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise _missing()
            return _answer(request, descriptor, found, _type_of(parts[-1]))

    def _open(self, parts: list[bytes], opened: ExitStack) -> int:
        """Open a file one directory after the other, so that no link is followed whoever puts one there meanwhile."""
        at = self._root
        try:
            for part in parts[:-1]:
                at = os.open(part, _OPEN | os.O_DIRECTORY, dir_fd=at)
                opened.callback(os.close, at)
            at = os.open(parts[-1], _OPEN, dir_fd=at)
        except OSError as error:
            raise _missing() from error
        opened.callback(os.close, at)
        return at


def _parts(raw_path: bytes) -> list[bytes]:
    """Return the components of a path; raises ApiError where one is empty, hidden, or leads up."""
    path = unquote_to_bytes(raw_path)
    parts = path.split(b"/")[1:]
    if not path.startswith(b"/") or b"\0" in path or any(not part or part.startswith(b".") for part in parts):
        raise _missing()
    return parts


def _missing() -> ApiError:
    return ApiError(NOT_FOUND, "There is no such file here.")


def _type_of(name: bytes) -> bytes:
    return _TYPES.get(name.rpartition(b".")[2].lower(), b"application/octet-stream")


def _answer(request: Request, descriptor: int, found: os.stat_result, kind: bytes) -> Reply:
    size, headers = found.st_size, request.headers
    tag = b'"%x-%x-%x"' % (size, found.st_mtime_ns, found.st_ino)
    modified = formatdate(found.st_mtime, usegmt=True).encode()
    lines = b"accept-ranges: bytes\r\netag: %b\r\nlast-modified: %b\r\n" % (tag, modified)
    if b"if-match" in headers and not _names(headers[b"if-match"], tag):
        raise ApiError(CHANGED, "The file has another entity tag.")
    if b"if-none-match" in headers and _names(headers[b"if-none-match"].replace(b"W/", b""), tag):
        return Reply(NOT_MODIFIED, lines)
    lines += b"content-type: %b\r\n" % kind
    # A date is no strong validator: the file may have changed twice in its second.
    is_ranged = request.method == "GET" and headers.get(b"if-range", tag) == tag
    span = _span(headers[b"range"], size) if is_ranged and b"range" in headers else None
    if span is None:
        return Reply(OK, lines, _body(descriptor, 0, size))
    lines += b"content-range: bytes %d-%d/%d\r\n" % (span[0], span[1] - 1, size)
    return Reply(PARTIAL, lines, _body(descriptor, *span))


def _names(header: bytes, tag: bytes) -> bool:
    return header.strip() == b"*" or tag in [each.strip() for each in header.split(b",")]


def _span(header: bytes, size: int) -> tuple[int, int] | None:
    try:
        return byte_range(header, size)
    except ApiError as error:
        raise _Unsatisfiable(size) from error


class _Unsatisfiable(ApiError):
    """A range begins behind the end of the file."""

    def __init__(self, size: int) -> None:
        super().__init__(UNSATISFIABLE, f"The file has {size} bytes.")
        self.size = size


def _body(descriptor: int, start: int, stop: int) -> bytes | Pieces:
    if stop - start < _MAPPED_FROM_BYTES:
        content = os.pread(descriptor, stop - start, start)
        if len(content) < stop - start:
            raise OSError("it has become shorter")
        return content
    # The socket takes the bytes from the system's own cache; where the file shrinks meanwhile, its write fails.
    base = start - start % ALLOCATIONGRANULARITY
    return (memoryview(mmap(descriptor, stop - base, access=ACCESS_READ, offset=base))[start - base :],)


def _refused(error: ApiError) -> Reply:
    lines = b"content-type: text/plain; charset=UTF-8\r\n"
    if error.status == NOT_ALLOWED:
        lines += b"allow: GET, HEAD\r\n"
    if isinstance(error, _Unsatisfiable):
        lines += b"content-range: bytes */%d\r\n" % error.size
    body = f"{error.message}\n".encode("utf-8", "replace")
    return Reply(error.status, lines, body)


def playlists_in(directory: str | os.PathLike[str]) -> list[str]:
    """Return the names of the YAML files that a server of this directory has at its top."""
    with suppress(OSError), os.scandir(directory) as entries:
        names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
        return sorted(name for name in names if name.endswith((".yaml", ".yml")) and not name.startswith("."))
    return []
