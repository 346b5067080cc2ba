"""Say which streams files that lie on the web already make."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from dataflux_core._data.samples.kinds import kind_of_extension
from dataflux_core._plan.sample_names import ID, NO_EXTENSION, is_extension
from dataflux_core._wire.flare.conventions import ENCODINGS, Conventions, base_of
from dataflux_core._wire.flare.streams import StreamSpec
from dataflux_core.errors import InvalidArgument, UnsafeName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dataflux_core._data.flare.listed_files import ListedFiles
    from dataflux_core._wire.flare.conventions import Compression, Encoding

_SUFFIXES: dict[str, Compression] = {"gz": "gzip", "zst": "zstd"}
_OTHER_NAMES = {"ndjson": "jsonl", "pq": "parquet", "feather": "arrow", "ipc": "arrow", "txt": "text"}
_MEDIA = frozenset({"image", "audio", "video"})  # a file of these is one record
_SAFE = "/~!$&'()*+,;=:@"  # of a path, what need not be escaped


@dataclass(frozen=True, slots=True)
class Said:
    """What all streams of a new playlist say of themselves."""

    base_url: str = ""  # that all URLs begin with, which mirrors take the place of
    mirrors: tuple[str, ...] = ()
    description: str = ""
    license: str = ""


@dataclass(frozen=True, slots=True)
class Chunks:
    """The chunks of one stream as columns; what is not known is negative, or ""."""

    urls: Sequence[str]
    sizes: Sequence[int]
    crc32cs: Sequence[str]
    ending: str  # of their names, such as "jpg", "jsonl.gz"; "": none, or not the same


def streams_of_files(
    files: ListedFiles, url_of: Callable[[str], str], said: Said, stream: str = ""
) -> list[StreamSpec]:
    """Make a stream for each extension, or one of the name `stream`.

    Where pictures, sounds or films have the base names of other files, these are samples too: they share a key, and
    each file is one record, whatever is in it.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    stems: dict[str, list[str]] = defaultdict(list)
    for row, name in enumerate(files.names):
        stem, ending = stem_and_ending(name)
        if name in files.unpacked:
            ending = _unpacked(ending)
        rows[ending].append(row)
        stems[ending].append(stem)
    if stream:
        ending = next(iter(rows)) if len(rows) == 1 else ""
        return [_stream(stream, _chunks(files, range(len(files.names)), url_of, ending), said)]
    tied = _tied(stems)
    unnamed = NO_EXTENSION
    while unnamed in rows:  # an extension is called that
        unnamed += "_"
    return [
        _stream(ending or unnamed, _chunks(files, rows[ending], url_of, ending), said, ID * (ending in tied))
        for ending in sorted(rows)
    ]


def stream_of_samples(name: str, chunks: Chunks, said: Said, key: str = "") -> StreamSpec:
    """Make a stream of URLs each of which is one sample; `key` ties it to others of the same samples."""
    return _stream(name, chunks, said, key, is_sampled=True)


def joined(base_url: str, name: str) -> str:
    """Return the URL of a name below a base; raises UnsafeName where a client would ask for another."""
    if any(part in {".", ".."} for part in name.split("/")):
        raise UnsafeName(name, "no URL names it: a part is . or .., which clients resolve; rename it")
    return base_url + quote(name, safe=_SAFE)


def stem_and_ending(name: str) -> tuple[str, str]:
    """Return the path of a chunk up to its extensions, then these in small letters, "" where there is none.

    Not the rule by which `split_name` takes files for one sample: "jsonl.gz" is one ending, for chunks are compressed
    as a whole, and "id" is one too, for no column is called after it.
    """
    directory, slash, last = name.rpartition("/")
    parts = last.split(".")
    if len(parts) > 2 and parts[-1].lower() in _SUFFIXES and is_extension(parts[-2]) and parts[-3]:  # noqa: PLR2004 - a stem before two
        cut = 2
    elif len(parts) > 1 and parts[-2] and is_extension(parts[-1]):
        cut = 1
    else:
        return name, ""
    return f"{directory}{slash}{'.'.join(parts[:-cut])}", ".".join(parts[-cut:]).lower()


def _unpacked(ending: str) -> str:
    """Return the extension of what is sent where the service unpacks gzip."""
    if ending == "tgz":
        return "tar"
    first, _, last = ending.rpartition(".")
    return first if last == "gz" else ending


def meaning_of(ending: str) -> tuple[Encoding | None, Compression | None]:
    """Return what an extension tells of the bytes of a chunk."""
    first, _, last = ending.partition(".")
    compression = _SUFFIXES.get(last)
    if first == "tgz":
        first, compression = "tar", "gzip"
    kind = kind_of_extension(first) or ""
    known = first if first in ENCODINGS else _OTHER_NAMES.get(first, kind)
    encoding = cast("Encoding", known) if known in ENCODINGS else None
    return encoding, compression


def _tied(stems: dict[str, list[str]]) -> set[str]:
    """Return the extensions whose files belong to samples: those that have the base names of pictures, sounds, films.

    Without these, files of one base name may as well be chunks of many records.
    """
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for ending, names in stems.items():
        alike[tuple(names)].append(ending)
    groups = [group for group in alike.values() if any(meaning_of(ending)[0] in _MEDIA for ending in group)]
    largest = max(groups, key=len, default=[])  # one key is one order of records
    return set(largest) if len(largest) > 1 else set()


def _chunks(files: ListedFiles, rows: Iterable[int], url_of: Callable[[str], str], ending: str) -> Chunks:
    picked = list(rows)
    return Chunks(
        [url_of(files.names[row]) for row in picked],
        [files.sizes[row] for row in picked],
        [files.crc32cs[row] for row in picked],
        ending,
    )


def _stream(name: str, chunks: Chunks, said: Said, key: str = "", *, is_sampled: bool = False) -> StreamSpec:
    encoding, compression = meaning_of(chunks.ending)
    if (is_sampled or key) and encoding not in _MEDIA:
        encoding = "raw"  # all of it is one record, even where there are lines or rows in it
    headers = Conventions(
        description=said.description,
        license=said.license,
        encoding=encoding,
        compression=compression,
        records=[1] * len(chunks.urls) if encoding in _MEDIA or encoding == "raw" else None,
        sizes=chunks.sizes if all(size >= 0 for size in chunks.sizes) else None,
        crc32c=chunks.crc32cs if all(chunks.crc32cs) else None,
        mirrors=_mirrors(name, base_of(chunks.urls), said),
        key=key,
    ).headers()
    return StreamSpec.of(name, list(chunks.urls), headers)


def _mirrors(stream: str, base: str, said: Said) -> tuple[str, ...]:
    """Return where copies of a stream lie whose URLs begin with `base`; raises InvalidArgument."""
    if said.mirrors and not base.startswith(said.base_url):
        expected = f"none, as not all chunks of the stream {stream!r} lie below {said.base_url}"
        raise InvalidArgument("mirrors", said.mirrors[0], expected)
    # Without a base URL of all streams a mirror takes the place of what those of one begin with.
    below = base.removeprefix(said.base_url) if said.base_url else ""
    return tuple(mirror + below for mirror in said.mirrors)
