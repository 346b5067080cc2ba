"""Write temporaries down before they are made, so that whatever ends this process they are removed."""

from __future__ import annotations

import logging
import os
import sys
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dataflux_core._wire.listing import COMPOSED_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dataflux_core._run.access import Access

log = logging.getLogger(__name__)

_SCRIPT = Path(__file__).with_name("guardian.py")
_UNGUARDED = "temporaries.unguarded reason=%s; if this process is killed, `dataflux clean` removes what is left"
_LEFT = "temporaries.left bucket=%s count=%d reason=no guardian is there; remove them by `dataflux clean gs://%s`"
_MAX_STARTS = 3  # what kills one guardian may kill the next
_NOT_MADE = 0  # as a generation: not known to be made


class Temporaries:
    """The composites of one call, each from before it is made until it is gone; one thread's.

    What is to be written down is gathered until `flush`, which must come before the next request is sent: a line each
    would wake the guardian up as often.
    """

    def __init__(self, access: Access, bucket: str) -> None:
        self._access = access
        self.bucket = bucket
        self._key = uuid.uuid4().hex
        self._told: _Guardian | None = None  # who knows of this call
        self._authorization = ""
        self._live: dict[str, int] = {}
        self._lines: list[tuple[str, ...]] = []

    def plan(self) -> str:
        """Choose an unguessable name, to be written down by `flush`; raises CredentialsMissing."""
        authorization = self._access.authorization.header()
        if authorization != self._authorization:
            self._authorization = authorization
            self._tell("~", self._key, authorization)
        name = f"{COMPOSED_PREFIX}{uuid.uuid4().hex}"
        self._tell("+", self._key, self.bucket, name)
        self._live[name] = _NOT_MADE
        return name

    def made(self, name: str, generation: int) -> None:
        self._live[name] = generation
        self._tell("=", name, str(generation))

    def gone(self, name: str) -> None:
        if self._live.pop(name, None) is not None:
            self._tell("-", name)

    def kept(self, name: str) -> None:
        """Learn that the service refuses to delete a temporary: the guardian would be refused as well."""
        self.gone(name)

    def left(self) -> Mapping[str, int]:
        """Return the names still written down, each with its generation, 0 where it is not known to be made."""
        return dict(self._live)

    def give_up(self) -> None:
        """Leave what is left to the guardian, which goes on after this call has ended; where there is none, say so."""
        if self._live and self._told is not None and not self._told.is_at_work:
            log.warning(_LEFT, self.bucket, len(self._live), self.bucket)
        for name in list(self._live):
            self._tell("!", name)
            log.debug("temporaries.given_up bucket=%s name=%s", self.bucket, name)
        self.flush()
        self._live.clear()

    def flush(self) -> None:
        """Have it written down, by a new guardian where the one before turns out to be lost."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        guardian = self._guardian()
        guardian.write(lines)
        if guardian.is_lost:
            self._guardian().write(lines)  # no line does harm when it is said twice

    def _tell(self, *fields: str) -> None:
        self._lines.append(fields)

    def _guardian(self) -> _Guardian:
        """Return the guardian; one that took the place of a lost one is told everything again."""
        guardian = _guardian_of_process()
        if guardian is not self._told:
            self._told = guardian
            guardian.introduce(self._key, self._access, self._authorization)
            guardian.write([("+", self._key, self.bucket, name) for name in self._live])
            guardian.write([("=", name, str(pin)) for name, pin in self._live.items() if pin])
        return guardian


class _Guardian:
    """A process that outlives this one, at the other end of a pipe; see guardian.py.

    Nothing closes the pipe but the end of this process: a hook at exit would run while threads still make temporaries.
    """

    def __init__(self) -> None:
        self.process_id = os.getpid()
        self.is_lost = False
        self._lock = threading.Lock()
        self._starter = 0
        self._pipe = -1
        try:
            self._start()
        except (OSError, ValueError, NotImplementedError) as error:
            log.warning(_UNGUARDED, error)

    @property
    def is_at_work(self) -> bool:
        """Tell whether there is a process to write to."""
        return self._pipe >= 0

    def introduce(self, key: str, access: Access, authorization: str) -> None:
        """Tell where the requests of `key` go."""
        endpoint = access.endpoint
        verify = "1" if endpoint.verify else ""
        fixed = (endpoint.base_url, endpoint.proxy, endpoint.ca_file or "", verify)
        self.write([("@", key, *fixed, *endpoint.headers), ("~", key, authorization)])

    def write(self, lines: Iterable[tuple[str, ...]]) -> None:
        """Send lines: when this returns they are out of reach of whatever ends this process.

        Where there is no pipe, a warning has said so when it was lost.
        """
        text = memoryview("".join(["\t".join(fields) + "\n" for fields in lines]).encode())
        with self._lock:
            try:
                while text and self._pipe >= 0:
                    text = text[os.write(self._pipe, text) :]
            except OSError as error:
                log.warning(_UNGUARDED, error)
                self.is_lost = True
                self._close_pipe()
            self._reap()

    def let_go(self) -> None:
        """In a forked child: drop the parent's end of the pipe, which must close when the parent ends."""
        self._close_pipe()

    def _start(self) -> None:
        reading, writing = os.pipe()
        files = [
            (os.POSIX_SPAWN_DUP2, reading, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        if getattr(sys, "frozen", False):
            raise NotImplementedError("this program is no Python interpreter that could run another script")
        command = [sys.executable, "-I", "-S", str(_SCRIPT)]
        try:
            # Not subprocess: its object would complain, at exit, of a child that is meant to live on.
            self._starter = os.posix_spawn(command[0], command, os.environ, file_actions=files, setsid=True)
            self._pipe, writing = writing, -1
        finally:
            os.close(reading)
            if writing >= 0:
                os.close(writing)

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1

    def _reap(self) -> None:
        """Let no zombie stay: the process that was started ends as soon as it has started the guardian proper."""
        if self._starter:
            with suppress(ChildProcessError):  # a host program may wait for all its children itself
                if os.waitpid(self._starter, os.WNOHANG) == (0, 0):
                    return
            self._starter = 0


_lock = threading.Lock()
_present: _Guardian | None = None
_starts = 0


def _guardian_of_process() -> _Guardian:
    """Return this process's guardian, started when the first temporary is about to be made."""
    global _present, _starts  # noqa: PLW0603 - one per process, by nature
    with _lock:
        if _present is None or (_present.is_lost and _starts < _MAX_STARTS):
            if _starts == 0:
                os.register_at_fork(after_in_child=_forget_parents)
            _starts += 1
            _present = _Guardian()
        return _present


def _forget_parents() -> None:
    """In a forked child: start over; the hook is in place."""
    global _lock, _present, _starts  # noqa: PLW0603 - see _guardian_of_process
    _lock = threading.Lock()
    _starts = 1
    if _present is not None:
        _present.let_go()
        _present = None
