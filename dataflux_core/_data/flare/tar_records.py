"""Read records that are files of one base name in a tar archive."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, BinaryIO

from dataflux_core._plan.sample_names import ID, split_name
from dataflux_core._plan.text import human_bytes, shown

if TYPE_CHECKING:
    from collections.abc import Iterator


def tar_records(file: BinaryIO, max_bytes: int) -> Iterator[dict[str, str | bytes]]:
    """Yield {"id": name without extension, extension: bytes, …} for neighbours of one such name.

    Raises ValueError for members that are neither files nor directories, and for more than `max_bytes` in a record.
    """
    record: dict[str, str | bytes] = {}
    held_bytes = 0
    with tarfile.open(fileobj=file, mode="r|", errorlevel=2) as archive:
        for member in archive:
            archive.members.clear()  # type: ignore[attr-defined] # else it keeps all it has seen
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                raise ValueError(f"{shown(member.name)[:200]!r} is no plain file")
            sample, extension = split_name(member.name)
            if record and (record[ID] != sample):
                yield record
                record, held_bytes = {}, 0
            held_bytes += member.size
            if held_bytes > max_bytes:
                raise ValueError(f"{shown(sample)[:200]!r} has more than {human_bytes(max_bytes)}")
            if extension in record:
                raise ValueError(f"{shown(member.name)[:200]!r} comes twice in one record")
            record[ID] = sample
            record[extension] = _content(archive, member)
    if record:
        yield record


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(member)
    content = b"" if opened is None else opened.read()
    if len(content) != member.size:
        raise ValueError(
            f"{shown(member.name)[:200]!r} has {len(content)} bytes of {member.size}: the archive is cut short"
        )
    return content
