"""Run the command as users run it, at a terminal or not."""

from __future__ import annotations

import fcntl
import io
import logging
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

from dataflux_core._cli.root import run

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "dataflux_core.cli"]
TIMEOUT_S = 60


def dataflux(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run to the end in this process, which saves the start of one, without a terminal."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True), io.StringIO()
    logger = logging.getLogger("dataflux_core")
    level, handlers, handler = logger.level, logger.handlers[:], signal.getsignal(signal.SIGTERM)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = run(arguments)
    finally:
        signal.signal(signal.SIGTERM, handler)
        logger.setLevel(level)
        logger.handlers = handlers
    out.seek(0)
    return subprocess.CompletedProcess(arguments, code, out.read(), err.getvalue())


def dataflux_process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run to the end in a process of its own, without a terminal."""
    defaults: dict[str, Any] = {"stdin": subprocess.DEVNULL, "text": True, "timeout": TIMEOUT_S}
    if "stdout" not in options:
        defaults["stdout"] = subprocess.PIPE
    return subprocess.run([*COMMAND, *arguments], stderr=subprocess.PIPE, check=False, **{**defaults, **options})


class Terminal:
    """What a user sees and types."""

    def __init__(self, size: tuple[int, int] = (24, 120)) -> None:
        self._ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    def read_until(self, seen: Any) -> str:
        """Return what was shown until `seen`, given that, is true; or to its end."""
        shown = b""
        while not seen(shown.decode(errors="replace")):
            try:
                chunk = os.read(self._ours, 65536)
            except OSError:  # Linux's way to say that nobody holds the other end any more
                break
            if not chunk:
                break
            shown += chunk
        return shown.decode(errors="replace")

    def read(self) -> str:
        return self.read_until(lambda _: False)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def close_theirs(self) -> None:
        if self.theirs >= 0:
            os.close(self.theirs)
            self.theirs = -1

    def close(self) -> None:
        self.close_theirs()
        os.close(self._ours)


@contextmanager
def at_terminal(
    *arguments: str, streams: str, size: tuple[int, int] = (24, 120)
) -> Iterator[tuple[subprocess.Popen[bytes], Terminal]]:
    """Start the command with those of stdin, stdout, stderr at a terminal that `streams` names.

    The size of that is in rows, columns.
    """
    terminal = Terminal(size)
    nowhere = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    chosen = {**nowhere, **dict.fromkeys(streams.split(), terminal.theirs)}
    process = subprocess.Popen([*COMMAND, *arguments], **chosen)  # type: ignore[call-overload]
    terminal.close_theirs()
    try:
        yield process, terminal
    finally:
        process.kill()
        process.wait()
        terminal.close()


def seen_at_terminal(
    *arguments: str, streams: str = "stdout stderr", typed: str = "", size: tuple[int, int] = (24, 120)
) -> tuple[int, str]:
    """Run to the end at a terminal; return the exit code with what was seen."""
    with at_terminal(*arguments, streams=streams, size=size) as (process, terminal):
        if typed:
            terminal.type(typed)
        seen = terminal.read()
        return process.wait(TIMEOUT_S), seen
