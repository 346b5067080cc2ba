"""Share what was read among all processes of a machine."""

from __future__ import annotations

import hashlib
import struct
import weakref
from binascii import a2b_base64
from typing import TYPE_CHECKING

from dataflux_core._data.cache.admission import admit
from dataflux_core._data.cache.claim import Claim, SharedClaim
from dataflux_core._data.cache.ledger import LedgerUnwritten
from dataflux_core._data.cache.session import Complaints, Counts, Session, close_dropped, opening
from dataflux_core._plan.remote import UNKNOWN_BYTES
from dataflux_core._plan.retention import INVALID_CRC32C, UNKNOWN_CRC32C, UNKNOWN_GENERATION, Wanted

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from dataflux_core._data.cache.options import CacheOptions, CacheStats
    from dataflux_core._plan.remote import RemoteObjects

_HALVES = struct.Struct("<qq")  # as SQLite's integers are
_CRC32C_BYTES = 4


class NodeCache:
    """The cache in a directory; any number of processes, threads, datasets may have one of it.

    Nothing is opened before the first claim. A process that is forked from one that has it open opens it anew, one
    that is sent it by pickle too.
    """

    def __init__(self, options: CacheOptions) -> None:
        self.options = options
        self._session: Session | None = None
        self._complaints = Complaints(options.directory)
        self._counts = Counts()

    def claim(self, objects: RemoteObjects) -> Claim:
        """Reserve a window of objects, some thousands at once; raises CacheUnusable, StageStuck.

        Where the disk is full, so that not even this can be written down, all are past the cache.
        """
        window = wanted_of(objects)
        session: Session | None = None
        try:
            session = self._in_use()
            admission = admit(session, window)
        except LedgerUnwritten as error:
            if session is not None:
                session.end_use()
            self._complaints.complain(error)
            return Claim(range(len(window)))
        except BaseException:
            if session is not None:
                session.end_use()
            raise
        session.ring(admission.bells)
        return SharedClaim(self, session, window, admission)

    @property
    def stats(self) -> CacheStats:
        """What this process has had of the cache with the claims that it has released."""
        return self._counts.stats

    def close(self) -> None:
        """Leave the cache, once the claims that are in use are released; the next claim opens it again."""
        session = self._session
        if session is not None:
            session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        self.close()

    def __reduce__(self) -> tuple[type[NodeCache], tuple[CacheOptions]]:
        return NodeCache, (self.options,)

    def _in_use(self) -> Session:
        """Return a session that stays open until its `end_use` is called."""
        close_dropped()
        while not (session := self._opened()).begin_use():
            pass  # another thread has closed it just now
        return session

    def _opened(self) -> Session:
        session = self._session
        if session is None or session.is_closed:
            with opening():
                if self._session is None or self._session.is_closed:  # another thread may have been quicker
                    self._session = Session(self.options, self._complaints, self._counts)
                    weakref.finalize(self, self._session.close_dropped)
                session = self._session
        return session


def wanted_of(objects: RemoteObjects) -> list[Wanted]:
    """Say of each object by which numbers the ledger knows it."""
    count = len(objects)
    sizes = [UNKNOWN_BYTES] * count if objects.sizes is None else [max(int(size), -1) for size in objects.sizes]
    crc32cs = [UNKNOWN_CRC32C] * count if objects.crc32cs is None else [_crc32c(text) for text in objects.crc32cs]
    generations = [UNKNOWN_GENERATION] * count if objects.generations is None else map(int, objects.generations)
    blake2b, unpack = hashlib.blake2b, _HALVES.unpack
    hashes = (unpack(blake2b(url.encode("utf-8", "surrogatepass"), digest_size=16).digest()) for url in objects.urls)
    facts = zip(hashes, sizes, crc32cs, generations, strict=True)
    return [Wanted(number, mark, *known) for (number, mark), *known in facts]


def _crc32c(text: str) -> int:
    if not text:
        return UNKNOWN_CRC32C
    try:
        checksum = a2b_base64(text)
    except ValueError:
        checksum = b""
    return int.from_bytes(checksum, "big") if len(checksum) == _CRC32C_BYTES else INVALID_CRC32C
