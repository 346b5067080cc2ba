"""Remember which chunks of a pack are whole, so that another run goes on after them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dataflux_core._data.flare.chunk_files import ChunkFacts
from dataflux_core._data.index.scratch import locked
from dataflux_core.errors import FileNotWritten

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Self

_COPY_BYTES = 1024**2
_WHAT = "the pack"
_ELSEWHERE = "choose another directory"
JOURNAL = ".dataflux-pack"
_CHUNK = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*-[0-9]{5,}\.(?:tar|jsonl|npy|parquet)(?:\.gz|\.zst)?", re.ASCII)
_ASIDE = ".dataflux-*.part"  # what `written_aside` leaves of a process that is killed


class PackJournal:
    """The chunks of a directory that is not finished: for each its name, what it was made of, what is known of it.

    A line is written before its chunk takes its place: so each file that is there is one that the journal names.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, dict[str, Any]] = {}
        self._descriptor = -1

    @classmethod
    @contextmanager
    def opened(cls, directory: Path) -> Iterator[Self]:
        """Go on with what is in a directory, or begin; raises FileNotWritten where it is another's, or in use."""
        path = _claimed(directory)
        with locked(path) as is_ours:
            if not is_ours:
                advice = f"wait for its end, or {_ELSEWHERE}"
                raise FileNotWritten(_WHAT, str(directory), "another process packs into it right now", advice)
            journal = cls(directory)
            journal._open(path)
            try:
                yield journal
            except BaseException:
                if not journal._known:  # nothing to go on after
                    path.unlink(missing_ok=True)
                raise
            finally:
                os.close(journal._descriptor)

    def known(self, name: str, made_of: str) -> ChunkFacts | None:
        """Return what is known of a chunk that is there whole and made of the same; None where it is to be written."""
        line = self._known.get(name)
        if line is None or line["made_of"] != made_of:
            return None
        facts = ChunkFacts(**line["facts"])
        # The line came first: what is there may be the chunk before it, of the same size.
        return facts if _sha256_of(self._directory / name, facts.size) == facts.sha256 else None

    def note(self, name: str, made_of: str, facts: ChunkFacts) -> None:
        """Remember a chunk that is about to take its place."""
        line = {"name": name, "made_of": made_of, "facts": asdict(facts)}
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")
        self._known[name] = line

    def remove_others(self, wanted: set[str]) -> int:
        """Remove the chunks of an earlier run that are no part of this one; return how many were there."""
        others = [self._directory / name for name in self._known.keys() - wanted]
        there = [path for path in others if path.exists()]
        for path in there:
            path.unlink()
        return len(there)

    def finish(self) -> None:
        """Forget it all: the playlist is there."""
        (self._directory / JOURNAL).unlink()

    def _open(self, path: Path) -> None:
        content = path.read_bytes()
        for line in content.split(b"\n"):
            said = _said(line)
            if said is not None:
                self._known[said["name"]] = said
        for aside in self._directory.glob(_ASIDE):
            aside.unlink(missing_ok=True)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        if content and not content.endswith(b"\n"):
            os.write(self._descriptor, b"\n")


def _sha256_of(path: Path, size: int) -> str:
    """Return the digest of a file of that size; "" where there is none."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != size:
                return ""
            while content := file.read(_COPY_BYTES):
                digest.update(content)
    except OSError:
        return ""
    return digest.hexdigest()


def _claimed(directory: Path) -> Path:
    """Return the path of the journal, which is there; raises FileNotWritten."""
    path = directory / JOURNAL
    try:
        if not path.exists() and any(directory.iterdir()):
            reason = "it holds files already, none of them of a pack that was interrupted"
            raise FileNotWritten(_WHAT, str(directory), reason, _ELSEWHERE)
        path.touch()
    except OSError as error:
        raise not_written(directory, error) from error
    return path


def not_written(directory: Path, error: OSError) -> FileNotWritten:
    """Say that nothing can be packed into a directory."""
    reason = error.strerror or str(error)
    return FileNotWritten(_WHAT, str(directory), reason, f"{_ELSEWHERE}, or correct this one's permissions")


def _said(line: bytes) -> dict[str, Any] | None:
    """Read a line; None for one that is damaged, as by a kill in its middle: its chunk is written anew."""
    try:
        said: dict[str, Any] = json.loads(line)
        facts, made_of = ChunkFacts(**said["facts"]), said["made_of"]
        # Nothing but chunks may be removed, whatever stands there.
        is_whole = _CHUNK.fullmatch(said["name"]) and isinstance(made_of, str) and isinstance(facts.size, int)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return said if is_whole else None
